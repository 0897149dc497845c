"""A whole bridge of real processes against the sandbox, for the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bridge.store import embedded
from tests.conftest import free_port

WORKER = [
    "-m", "celery", "-A", "workers.app", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat",
]  # fmt: skip


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something is so; fails saying what was waited for. How long matters only when it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


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
        until(self.ready, f"the receiver is ready\n{self.log('receiver')}")

    def start_worker(self, name: str = "worker") -> None:
        """Start a worker and wait until it sweeps."""
        before = self.log(name).count("worker_ready")
        self.start(name, [sys.executable, *WORKER, "-n", f"{name}@%h"])
        until(lambda: self.log(name).count("worker_ready") > before, "the worker is ready")

    def ready(self) -> bool:
        """Return whether the receiver says that it is ready."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def log(self, name: str) -> str:
        """Return what a process wrote."""
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process and all of its children, and wait for its end."""
        process = self.running.pop(name)
        os.killpg(process.pid, number)
        process.wait(20)

    def stop(self) -> None:
        """End everything."""
        for name in list(self.running):
            self.kill(name)


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
