"""Where a bench runs: a temporary folder, a store, and processes on cores of their own that end with it."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
FSYNC = os.environ.get("BENCH_FSYNC", "everysec")
"""How often the store syncs its log: everysec or always."""
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
ONCALL_ONLY = (
    CONFIG[: CONFIG.index("routes:")]
    + """
routes:
  - to: [oncall]
"""
)
"""All goes to Slack, nothing to Jira, and nothing is linked."""
TOPIC = "arn:aws:sns:ap-northeast-2:123456789012:alarms"


class NotReady(Exception):
    """A process did not become ready; the message holds the end of its log."""


@dataclass
class Program:
    """A running process."""

    process: subprocess.Popen[bytes]
    log: Path

    def cpu(self) -> float:
        """Return the CPU seconds it and its children have used so far (proc(5), utime and stime)."""
        return sum(_cpu(pid) for pid in _family(self.process.pid))

    def memory(self) -> float:
        """Return the bytes it and its children hold, shared pages divided among their sharers (proc(5), Pss)."""
        return sum(_pss(pid) for pid in _family(self.process.pid))

    def kill(self) -> None:
        """Kill it as a power cut would: nothing is finished."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

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
    config_text: str = CONFIG
    vendors_port: int = field(default_factory=free_port)
    programs: list[Program] = field(default_factory=list)
    stores: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = self.folder / "bridge.yaml"
        self.config.write_text(self.config_text.format(topic=TOPIC, vendors=self.vendors))

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

    def store(self, cores: set[int] = OTHERS) -> redis.Redis:
        """Start the embedded store, its log synced every second as the floors' and the peers' is; return a client."""
        argv = embedded.server_argv(embedded.find_server(), self.folder, max_memory="12gb")
        argv[argv.index("--appendfsync") + 1] = FSYNC
        program = self.start("store", argv, cores)
        self.stores.append(program)
        if not embedded.ping(self.redis_url, timedelta(seconds=10)):
            raise NotReady(f"the store does not answer:\n{program.log.read_text()[-2000:]}")
        return redis.Redis.from_url(self.redis_url)

    def receiver(self, cores: set[int] = TESTED) -> tuple[Program, int]:
        """Start a receiver of the bridge, on the tested core, and wait until it is ready."""
        port = free_port()
        program = self.python("receiver", "bridge.cli", "serve", "--port", str(port), cores=cores)
        wait_for(lambda: listens(port), program)
        return program, port

    def worker(self, cores: set[int] = TESTED) -> Program:
        """Start a worker of the bridge, on the tested core, and wait until it is ready."""
        flags = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        program = self.python("worker", "celery", "-q", "-A", "workers.app", "worker", *flags, cores=cores)
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

    @contextmanager
    def another(self, config: str = ONCALL_ONLY) -> Iterator[Stage]:
        """Yield a new stage in a folder of its own, with a store that is empty; it ends with the block."""
        with tempfile.TemporaryDirectory(prefix="stage-", dir=self.folder) as folder:
            stage = Stage(Path(folder), config)
            try:
                yield stage
            finally:
                stage.close()

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        """Wait until something is so; raises NotReady with what the programs said."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                said = "\n".join(f"{one.log.name}:\n{one.log.read_text()[-1000:]}" for one in self.programs)
                raise NotReady(f"not so after {seconds:g} s. {said}")
            time.sleep(0.05)

    def close(self) -> None:
        """End every process, the youngest first."""
        while self.programs:
            self.programs.pop().end()


def _family(pid: int) -> list[int]:
    """Return a process and its descendants that live."""
    found, left = [], [pid]
    while left:
        found.append(one := left.pop())
        with suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                left += map(int, children.read_text().split())
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _pss(pid: int) -> float:
    try:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


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
