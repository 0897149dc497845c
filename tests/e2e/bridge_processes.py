"""A whole bridge of real processes against the sandbox, for the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from inspect import getclosurevars
from pathlib import Path
from types import FunctionType

import httpx

from bridge.store import embedded
from tests.conftest import free_port

WORKER = [
    "-m", "celery", "-A", "workers.app", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat",
]  # fmt: skip

PATIENT = str(Path(__file__).parents[1] / "web" / "patient.py")
"""The command `alert-bridge` with a receiver that refuses nothing because the machine is slow; needs PATIENCE."""


def until(true: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait until something is so; fails saying what was waited for. How long matters only when it never is.

    The failure shows what the question looks at, as it is then, and how the logs of all processes end.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("\n".join([f"not within {seconds} s: {what}", *_looked_at(true), *_logs()]))
        time.sleep(0.02)


def _looked_at(true: Callable[[], object]) -> Iterator[str]:
    if isinstance(true, FunctionType):
        for name, value in getclosurevars(true).nonlocals.items():
            yield f"{name} = {repr(value)[:2000]}"


def _logs() -> Iterator[str]:
    for bridge in _alive.values():
        for name in bridge.running:
            yield f"--- {name}:\n" + "\n".join(bridge.log(name).splitlines()[-15:])


_alive: dict[int, Processes] = {}


@dataclass
class Processes:
    """The processes of one bridge: store, receivers, workers; each can be killed and started again."""

    folder: Path
    config: str
    environ: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Address of the receiver."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def redis_url(self) -> str:
        """Address of the store."""
        return embedded.url(self.folder / "data")

    def start(self, name: str, argv: list[str]) -> None:
        """Start a process; its output goes to <name>.log in the folder."""
        _alive[id(self)] = self
        config = self.folder / "bridge.yaml"
        config.write_text(self.config)
        environ = (
            os.environ
            | self.environ
            | {
                "ALERT_BRIDGE_CONFIG": str(config),
                "ALERT_BRIDGE_DATA": str(self.folder / "data"),
                "REDIS_URL": self.redis_url,
            }
        )
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(argv, env=environ, stdout=log, stderr=log, start_new_session=True)

    def start_store(self) -> None:
        """Start the store and wait until it answers."""
        self.start("store", embedded.server_argv(embedded.find_server(), self.folder / "data"))
        until(lambda: embedded.ping(self.redis_url), "the store answers")

    def start_receiver(self) -> None:
        """Start the receiver and wait until it is ready."""
        serve = [sys.executable, "-m", "bridge.cli", "serve", "--port", str(self.port)]
        self.start("receiver", serve)
        until(self.ready, "the receiver is ready")

    def start_worker(self, name: str = "worker") -> None:
        """Start a worker and wait until it sweeps."""
        before = self.log(name).count("worker_ready")
        self.start(name, [sys.executable, *WORKER, "-n", f"{name}@%h"])
        until(lambda: self.log(name).count("worker_ready") > before, "the worker is ready")

    def ready(self) -> bool:
        """Return whether the receiver says that it is ready."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def log(self, name: str) -> str:
        """Return what a process wrote."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process and all of its children, and wait for its end."""
        os.killpg(self.running[name].pid, number)
        self.running[name].wait(60)
        del self.running[name]

    def stop(self) -> None:
        """End everything."""
        for process in self.running.values():
            with suppress(ProcessLookupError):  # a test has waited for its end
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.running.clear()
        _alive.pop(id(self), None)


@contextmanager
def processes(folder: Path, config: str, environ: dict[str, str]) -> Iterator[Processes]:
    """Start store, receiver and worker; end them afterwards."""
    bridge = Processes(folder, config, environ)
    try:
        bridge.start_store()
        bridge.start_receiver()
        bridge.start_worker()
        yield bridge
    finally:
        bridge.stop()
