"""Log lines: nobody outside writes one, and none shows what a function had in its hands."""

from __future__ import annotations

import subprocess
import sys

import pytest
import structlog

from tests.security.conftest import Front


def test_a_strangers_path_forges_no_line_and_commands_no_terminal(front: Front) -> None:
    with structlog.testing.capture_logs() as lines:
        for path in ("/hooks/%1B[31mred%0D", "/hooks/" + "a" * 5000, "/hooks/x%E2%80%AEy"):
            front.client.post(path, content=b"{}")
    named = [str(line["source"]) for line in lines if line["event"] == "received"]

    assert len(named) == 3
    for name in named:
        assert name.isprintable()
        assert len(name) < 100


def test_a_proven_body_forges_no_line_either(front: Front) -> None:
    given = front.sources["alertmanager"]
    body = b'{"version":"4\\n2026-01-01 [info] all is well\\u001b[2J \\u202e","alerts":[]}'
    headers = {"authorization": "Bearer alertmanager-token"}
    with structlog.testing.capture_logs() as lines:
        answer = front.client.post("/hooks/alertmanager", content=body, headers=headers)

    assert given is not None
    assert answer.status_code == 400
    for line in lines:
        assert all(str(value).isprintable() for value in line.values()), line


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    script = f"""
import logging, structlog
from bridge import logs
logs.set_up("info", "{form}")
def fall():
    token = "canary-" + "4f1c"
    raise ValueError("fallen")
try:
    fall()
except ValueError as error:
    structlog.get_logger("x").exception("ours")
    logging.getLogger("y").error("theirs", exc_info=error)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)

    assert "fallen" in ran.stderr
    assert "canary-4f1c" not in ran.stderr
