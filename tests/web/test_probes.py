"""What docs/probing.md says of the probes, said by a real receiver to the probes of that page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import TypeAdapter

from bridge.settings import Duration
from bridge.store import embedded
from tests.e2e.bridge_processes import PATIENT, Processes, until
from tests.web.pressure_world import CONFIG, Pressed

PAGE = (Path(__file__).parents[2] / "docs" / "probing.md").read_text()
YAML = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)]
JSON = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)]
ROWS = re.findall(r"^\| (\w[\w ]*) \|.*\| (\w+) \| (\w+) \| (\w+) \|$", PAGE.partition("\n## While it drains")[0], re.M)
SAID = {state: list(codes) for state, *codes in ROWS}


def everywhere(tree: Any, name: str) -> Iterator[Any]:
    """Return what stands under a name, however deep."""
    if isinstance(tree, dict):
        yield from (tree[name] for _ in [0] if name in tree)
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from everywhere(inner, name)


PATHS = [probe["path"] for probe in everywhere(YAML, "httpGet")] + re.findall(r'^ +path += "(.*)"$', PAGE, re.M)
PATHS += re.findall(r"127\.0\.0\.1:8080(/\S+)", PAGE)
CHECKS = [check["test"] for check in everywhere(YAML, "healthcheck")]
CHECKS += [check["command"] for check in everywhere(JSON, "healthCheck")]
COMMANDS = [command for command in CHECKS if "urllib" in command[-1]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Pressed]:
    """A receiver on a store of its own, that drains for some seconds."""
    bridge = Processes(
        tmp_path, CONFIG.format(url=embedded.url(tmp_path / "data"), receiver="drain: 5s"), {"PATIENCE": "30"}
    )
    try:
        bridge.start_store()
        bridge.start("receiver", [sys.executable, PATIENT, "serve", "--port", str(bridge.port)])
        pressed = Pressed(bridge)
        until(lambda: answer(pressed, "/healthz") == "200", "the receiver answers")
        yield pressed
        pressed.client.close()
    finally:
        bridge.stop()


def answer(world: Pressed, path: str) -> str:
    with suppress(httpx.HTTPError):
        return str(world.get(path).status_code)
    return "refused"


def answers(world: Pressed) -> list[str]:
    """Return what the receiver says to the three columns of the page's table."""
    codes = [answer(world, "/healthz"), answer(world, "/readyz")]
    with suppress(httpx.HTTPError):
        return [*codes, str(world.post("a problem").status_code)]
    return [*codes, "refused"]


def passes(world: Pressed, command: list[str]) -> bool:
    """Run a health check's command as the container would."""
    assert command[:2] == ["CMD", "python"]
    environ = os.environ | {"PORT": str(world.bridge.port)}
    return subprocess.run([sys.executable, *command[2:]], env=environ, capture_output=True).returncode == 0


def test_the_receiver_answers_in_each_state_what_the_page_says(world: Pressed) -> None:
    assert answers(world) == SAID["runs"]

    world.bridge.kill("store")
    until(lambda: answer(world, "/readyz") == "503", "not ready")
    assert answers(world) == SAID["store down"]

    world.bridge.start_store()
    until(lambda: answer(world, "/readyz") == "200", "ready again")
    world.bridge.running["receiver"].send_signal(signal.SIGTERM)
    until(lambda: answer(world, "/readyz") == "503", "draining")
    assert answers(world) == SAID["drains"]
    assert world.get("/readyz").json() == {"ready": False, "why": "draining"}

    until(lambda: answer(world, "/healthz") == "refused", "the port is closed")
    assert answers(world) == SAID["ends"]
    world.bridge.running.pop("receiver").wait(60)
    assert answers(world) == SAID["starts"]


def test_every_probe_on_the_page_passes_while_the_receiver_runs_and_none_once_it_has_ended(world: Pressed) -> None:
    assert len(PATHS) >= 5
    assert len(COMMANDS) >= 2
    for path in PATHS:
        assert world.get(path).status_code == 200
        assert world.client.head(f"{world.bridge.url}{path}").status_code == 200
    assert all(passes(world, command) for command in COMMANDS)
    for spelling in ("/health", "/ready", "/healthz/"):
        assert world.get(spelling).status_code == 404

    world.bridge.kill("receiver")
    assert not any(passes(world, command) for command in COMMANDS)


def test_what_may_kill_a_receiver_probes_healthz() -> None:
    killing = [
        probe["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe") for probe in everywhere(YAML, name)
    ]

    assert set(killing) == {"/healthz"}
    assert all("/healthz" in command[-1] for command in COMMANDS)


def test_who_ends_a_receiver_waits_until_it_has_drained() -> None:
    (drain,) = everywhere(YAML, "drain")
    needed = TypeAdapter(Duration).validate_python(drain) + timedelta(seconds=15)
    waits = [*everywhere(YAML, "terminationGracePeriodSeconds"), *everywhere(JSON, "stopTimeout")]
    waits += [grace.removesuffix("s") for grace in everywhere(YAML, "stop_grace_period")]
    waits += re.findall(r"^TimeoutStopSec=(\d+)$", PAGE, re.M)

    assert len(waits) == 4
    assert all(timedelta(seconds=int(wait)) >= needed for wait in waits)
