"""Whoever gets at Celery's queue: what lies there is never executed, and what kills a worker does so for a moment."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from bridge.bell import celery_app
from bridge.domain.alert import Status
from bridge.message import DELIVER, INGEST, QUEUE, RECOVER
from bridge.sources.alertmanager import Alertmanager, AlertmanagerOptions
from bridge.store import embedded
from tests.conftest import free_port
from tests.e2e.bridge_processes import until

KEY = f"{{ab}}:celery:{QUEUE}"
CONFIG = """
sources: {alertmanager: {kind: alertmanager, bearer_token: alertmanager-token}}
destinations: {oncall: {kind: slack, token: xoxb-1, channel: C0ONCALL, api_url: "http://127.0.0.1:1/"}}
"""
SOURCE = Alertmanager("alertmanager", AlertmanagerOptions.model_validate({"bearer_token": "alertmanager-token"}))


class Exploit:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._path}",)


def message(task: str, body: bytes, kind: str = "application/json", **headers: object) -> bytes:
    """A message of Celery's protocol 2 as it lies in a Redis list."""
    number = str(uuid4())
    properties = {
        "correlation_id": number,
        "delivery_tag": number,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "body_encoding": "base64",
        "priority": 0,
    }
    said = {"lang": "py", "task": task, "id": number, "root_id": number, "retries": 0, **headers}
    encoding = "binary" if "pickle" in kind or "serialize" in kind else "utf-8"
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": encoding,
            "content-type": kind,
            "headers": said,
            "properties": properties,
        }
    ).encode()


def arguments(*args: object, **more: object) -> bytes:
    return json.dumps([args, more, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


def hostile(trap: Path) -> Iterator[bytes]:
    """Messages that would do something if anybody let them."""
    pickled = pickle.dumps([(), {"x": Exploit(trap)}, {}])
    yaml = f"!!python/object/apply:os.system ['touch {trap}']".encode()
    for task in (INGEST, DELIVER, "os.system", "celery.map"):
        yield message(task, pickled, "application/x-python-serialize")
        yield message(task, pickled, "pickle")
        yield message(task, yaml, "application/x-yaml")
    for task in ("os.system", "subprocess.run", "builtins.eval", "no.such.task", "", "celery.backend_cleanup"):
        yield message(task, arguments(f"touch {trap}"))
    call = {"task": "os.system", "args": [f"touch {trap}"], "kwargs": {}, "options": {}, "subtask_type": None}
    yield message("celery.map", arguments(call, [[f"touch {trap}"]]))
    yield message("celery.chord_unlock", arguments("x", call))
    for args in (
        (),
        ("nobody",),
        ("../../x",),
        (None,),
        ({"a": 1},),
        (["oncall"],),
        ("oncall", "more"),
        ("x" * 100_000,),
    ):
        yield message(DELIVER, arguments(*args))
    yield message(INGEST, arguments("more", path=str(trap)))
    yield message(INGEST, b"not json")
    yield message(INGEST, b"[" * 5000)
    yield message(DELIVER, arguments("oncall"), eta="9999-12-31T23:59:59", expires="garbage", timelimit=["x", "y"])


@dataclass
class Up:
    """A bridge under the supervisor of `up`."""

    log: Path
    url: str
    store: redis.Redis

    def post(self, name: str) -> None:
        """Send an alert about a problem of its own."""
        given = SOURCE.sample(Status.FIRING, datetime.now(UTC))
        body = given.body.replace(b"HighErrorRate", name.encode()).replace(b'"fingerprint":"', b'"x":"')
        url = f"{self.url}/hooks/alertmanager"

        def accepted() -> bool:  # a busy machine may cost a 503
            answer = httpx.post(url, content=body, headers=given.headers, timeout=60, trust_env=False)
            return answer.status_code == 202

        until(accepted, "it is accepted")

    def incidents(self) -> int:
        """How many problems a worker has seen to."""
        return int(self.store.hget("{ab}:counts", "change:opened") or 0)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "bridge.yaml").write_text(CONFIG)
    port = free_port()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ALERT_BRIDGE", "REDIS", "SANDBOX"))}
    environ["ALERT_BRIDGE_CONFIG"] = str(folder / "bridge.yaml")
    argv = [sys.executable, "-m", "bridge.cli", "up", "--port", str(port), "--data", str(folder / "data")]
    log = folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, env=environ, stdout=out, stderr=out)
    try:
        until(lambda: "The bridge is up" in log.read_text() or process.poll() is not None, "it is up")
        with redis.Redis.from_url(embedded.url(folder / "data")) as client:
            yield Up(log, f"http://127.0.0.1:{port}", client)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def test_nothing_in_the_queue_is_executed_and_alerts_still_arrive(up: Up, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    pushed = list(hostile(trap))
    for one in pushed:
        up.store.lpush(KEY, one)
    until(lambda: up.store.llen(KEY) == 0, "a worker has looked at all of them")
    before = up.incidents()
    up.post("AfterHostileMessages")
    until(lambda: up.incidents() > before, "the alert is an incident")

    assert not trap.exists()


@pytest.mark.parametrize("garbage", [b"not json at all", b'{"body":1}'])
def test_what_kills_a_worker_does_so_for_a_moment(up: Up, garbage: bytes) -> None:
    before = up.incidents()
    up.store.lpush(KEY, garbage)
    up.post(f"AfterGarbage{hash(garbage) % 10**9}")
    until(lambda: up.incidents() > before, "the alert is an incident")


def test_a_worker_knows_the_bridges_own_tasks_and_none_of_celerys(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text(CONFIG)
    environ = os.environ | {"ALERT_BRIDGE_CONFIG": str(tmp_path / "bridge.yaml"), "REDIS_URL": "redis://127.0.0.1:1/0"}
    listing = "import workers.tasks; from workers.app import app; app.finalize(); print(*sorted(app.tasks))"
    ran = subprocess.run([sys.executable, "-c", listing], env=environ, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == [DELIVER, INGEST, RECOVER]


def test_nobody_can_command_a_worker() -> None:
    app = celery_app("redis://127.0.0.1:1/0", "{ab}:")

    assert app.conf.accept_content == ["json"]
    assert app.conf.worker_enable_remote_control is False
    assert app.conf.result_backend is None


def test_the_queue_carries_no_more_than_a_name(up: Up) -> None:
    app = celery_app(f"redis+socket://{up.store.connection_pool.connection_kwargs['path']}", "{ab}:test:")
    app.send_task(DELIVER, args=("oncall",), queue=QUEUE, argsrepr="", kwargsrepr="")
    (raw,) = up.store.lrange(f"{{ab}}:test:celery:{QUEUE}", 0, -1)
    sent = json.loads(raw)

    assert json.loads(base64.b64decode(sent["body"]))[0] == ["oncall"]
    assert sent["headers"]["argsrepr"] == ""


def test_the_embedded_store_is_reachable_by_its_owner_only(up: Up) -> None:
    socket = Path(up.store.connection_pool.connection_kwargs["path"])

    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert up.store.config_get("port")["port"] == "0", "no TCP port"
