"""Where a bench runs: a temporary folder, a store, and processes on cores of their own that end with it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from bench.ports import free_port
from bridge.store import embedded

CORES = sorted(os.sched_getaffinity(0))
TESTED = {CORES[0]}
"""The core of the process that is measured."""
OTHERS = set(CORES[1:]) or TESTED
"""The cores of the load generator, the store and the fake vendors."""
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
_TICK = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1

CONFIG = """
timezone: UTC
log: {{format: json}}
sources:
  sentry: {{kind: sentry, client_secret: bench-secret}}
  alertmanager: {{kind: alertmanager, bearer_token: bench-token}}
  cloudwatch: {{kind: cloudwatch, topic_arns: ["{topic}"], signing_hosts: ["{vendors}"]}}
destinations:
  oncall: {{kind: slack, per_second: 0, token: xoxb-sandbox, channel: C0ONCALL, api_url: "http://{vendors}/slack/api/"}}
  tickets: {{kind: jira, per_second: 0, url: "http://{vendors}/jira", user: bot@example.com, token: t, project: OPS}}
routes:
  - match: ['severity="critical"']
    to: [oncall, tickets]
  - to: [oncall]
links:
  - {{label: Trace, kind: jaeger, url: "https://jaeger.example.com"}}
"""
TOPIC = "arn:aws:sns:ap-northeast-2:123456789012:alarms"


class NotReady(Exception):
    """A process did not become ready; the message holds the end of its log."""


@dataclass
class Program:
    """A running process."""

    process: subprocess.Popen[bytes]
    log: Path

    def cpu(self) -> float:
        """Return the CPU seconds it has used so far (proc(5), utime and stime)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def end(self) -> None:
        """End it and all that it started."""
        if self.process.poll() is not None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(5)
        except ProcessLookupError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Stage:
    """One bench's folder, ports and processes."""

    folder: Path
    vendors_port: int = field(default_factory=free_port)
    programs: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = self.folder / "bridge.yaml"
        self.config.write_text(CONFIG.format(topic=TOPIC, vendors=self.vendors))

    @property
    def vendors(self) -> str:
        """Host and port of the fake Slack and SNS."""
        return f"127.0.0.1:{self.vendors_port}"

    @property
    def redis_url(self) -> str:
        """Address of the store."""
        return embedded.url(self.folder)

    @property
    def environ(self) -> dict[str, str]:
        """What a process of the bridge is told."""
        return {
            "ALERT_BRIDGE_CONFIG": str(self.config),
            "ALERT_BRIDGE_DATA": str(self.folder),
            "REDIS_URL": self.redis_url,
        }

    def start(self, name: str, argv: Sequence[str], cores: set[int]) -> Program:
        """Start a process on some cores; what it says goes to a file."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                argv,
                env=os.environ | self.environ,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=lambda: _tie(cores),
            )
        program = Program(process, log)
        self.programs.append(program)
        return program

    def python(self, name: str, *argv: str, cores: set[int] = TESTED) -> Program:
        """Start a Python module."""
        return self.start(name, [sys.executable, "-m", *argv], cores)

    def output(self, *argv: str, cores: set[int]) -> str:
        """Run a Python module to its end and return what it wrote to stdout."""
        program = self.python(argv[0], *argv, cores=cores)
        try:
            if program.process.wait(60):
                raise NotReady(f"{argv[0]} failed:\n{program.log.read_text()[-2000:]}")
        finally:
            program.end()
            self.programs.remove(program)
        return program.log.read_text().rstrip().rpartition("\n")[2]

    def store(self) -> redis.Redis:
        """Start the embedded store with the bridge's own settings (AOF, every write synced); return a client."""
        program = self.start("store", embedded.server_argv(embedded.find_server(), self.folder), OTHERS)
        if not embedded.ping(self.redis_url, timedelta(seconds=10)):
            raise NotReady(f"the store does not answer:\n{program.log.read_text()[-2000:]}")
        return redis.Redis.from_url(self.redis_url)

    def receiver(self) -> tuple[Program, int]:
        """Start a receiver of the bridge on the tested core and wait until it is ready."""
        port = free_port()
        program = self.python("receiver", "bridge.cli", "serve", "--port", str(port))
        wait_for(lambda: listens(port), program)
        return program, port

    def worker(self) -> Program:
        """Start a worker of the bridge on the tested core and wait until it is ready."""
        flags = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        program = self.python("worker", "celery", "-q", "-A", "workers.app", "worker", *flags)
        wait_for(lambda: "worker_ready" in program.log.read_text(), program)
        return program

    def bare_receiver(self, kept: int) -> tuple[Program, int]:
        """Start the floor's receiver, which stores `kept` bytes of each body."""
        port = free_port()
        os.environ["FLOOR_KEEPS"] = str(kept)
        argv = ["uvicorn", "bench.floors.receiver:app", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
        program = self.python("floor", *argv, "--no-access-log", "--log-level", "warning")
        wait_for(lambda: listens(port), program)
        return program, port

    def close(self) -> None:
        """End every process, the youngest first."""
        while self.programs:
            self.programs.pop().end()


def _tie(cores: set[int]) -> None:
    """In the child: stay on these cores, and end when the bench ends, however it ends (prctl(2), Linux)."""
    os.sched_setaffinity(0, cores)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def empty(client: Any) -> None:
    """Empty the store and wait until its memory is free: by default that goes on while the next run is measured."""
    client.execute_command("FLUSHALL", "SYNC")


def listens(port: int) -> bool:
    """Return whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(true: Callable[[], bool], program: Program, seconds: float = 20) -> None:
    """Wait until something is so; raises NotReady with the program's log."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline or program.process.poll() is not None:
            raise NotReady(f"{program.log.name}:\n{program.log.read_text()[-2000:]}")
        time.sleep(0.02)
