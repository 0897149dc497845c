"""The bridge as real processes, each behind a cable of its own, and the sandbox it tells."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis

from bridge import wiring
from bridge.ports import Source
from bridge.sandbox.app import Sandbox
from bridge.sandbox.faults import lag
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.sources.cloudwatch import CloudWatch
from bridge.store import embedded
from tests.conftest import free_port
from tests.e2e.bridge_processes import WORKER, until
from tests.faults.network import Cable, Network
from tests.sandbox_server import running

LEASE, SETTLE, JIRA_SETTLE, SEARCH_LAG = 10.0, 3.0, 5.0, 3.0
"""Seconds; each stands in the same order to the others as the real ones: 30, 15, 90 and up to 60."""
TOPIC = "arn:aws:sns:ap-northeast-2:123456789012:alarms"
CONFIG = """
incidents: {{repeat_every: 500ms}}
timing: {{lease: {lease}s, abandoned: 4s, longest_wait: 10s}}
log: {{format: json}}
sources:
  sentry: {{kind: sentry, client_secret: sentry-secret}}
  alertmanager: {{kind: alertmanager, bearer_token: alertmanager-token}}
  cloudwatch: {{kind: cloudwatch, topic_arns: ["{topic}"], signing_hosts: ["{sns}"]}}
destinations:
  oncall:
    {{kind: slack, token: {slack_token}, channel: C0ONCALL, api_url: "{vendor}/slack/api/",
     settle: {settle}s, per_second: 0}}
  tickets:
    {{kind: jira, url: "{vendor}/jira", user: bot@example.com, token: {jira_token}, project: OPS,
     settle: {jira_settle}s, per_second: 0}}
"""
CHILDREN = ("--pool", "processes", "--concurrency", "2")
"""All workers but the first work in children (prefork, by the name that overrides our config) instead of threads."""
SKEW = Path(__file__).with_name("skew.c")


@dataclass
class Part:
    """One process: how it is started, and whether it is meant to run."""

    name: str
    argv: list[str]
    environ: dict[str, str]
    cable: Cable | None = None
    """Its way to the store."""
    held: bool = False
    """True while a fault keeps it down: it is not started again."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def children(self) -> list[int]:
        """Process ids of its children; none where there is no /proc."""
        pid = self.process.pid if self.process is not None else 0
        with suppress(OSError):
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []


@dataclass
class Stand:
    """Store, two receivers, two workers; a supervisor starts again what died."""

    folder: Path
    sandbox: Sandbox
    network: Network
    vendor: Cable
    parts: dict[str, Part] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    fronts: list[Cable] = field(default_factory=list)
    """The senders' ways to the receivers."""
    sources: dict[str, Source] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def store_url(self) -> str:
        """The store's own address, past all cables."""
        return embedded.url(self.folder / "data")

    @property
    def receivers(self) -> list[str]:
        """Addresses of the receivers, as the senders know them."""
        return [f"http://127.0.0.1:{front.port}" for front in self.fronts]

    @property
    def cables(self) -> list[Cable]:
        """All ways between any two."""
        return [self.vendor, *self.fronts, *(part.cable for part in self.parts.values() if part.cable is not None)]

    def named(self, kind: str) -> list[Part]:
        """Return the parts of a kind: store, receiver, worker."""
        return [part for name, part in self.parts.items() if name.startswith(kind)]

    def start(self, part: Part) -> None:
        """Start a process; what it says goes to <name>.log."""
        with self.lock, (self.folder / f"{part.name}.log").open("ab") as log:
            part.held = False
            part.starts += 1
            environ = os.environ | part.environ
            part.process = subprocess.Popen(part.argv, env=environ, stdout=log, stderr=log, start_new_session=True)

    def send(self, part: Part, number: signal.Signals) -> None:
        """Send a signal to a process and its children."""
        with self.lock, suppress(ProcessLookupError):
            if part.process is not None:
                os.killpg(part.process.pid, number)

    def supervise(self) -> None:
        """Start again what died, until the stand ends."""
        while not self.ended.wait(0.2):
            with self.lock:
                for part in self.parts.values():
                    if not (part.runs or part.held or self.ended.is_set()):
                        self.start(part)

    def ready(self) -> bool:
        """Return whether every process runs and answers."""
        if not all(part.runs for part in self.parts.values()) or not embedded.ping(self.store_url):
            return False
        with redis.Redis.from_url(self.store_url) as client:
            swept = int(client.get("{ab}:swept") or 0) / 1000  # type: ignore[arg-type]  # bytes
        return time.time() - swept < 3 and all(_answers(port) for port in self.ports)

    def stop(self) -> None:
        """End everything."""
        self.ended.set()
        with self.lock:
            for part in self.parts.values():
                if part.runs and part.process is not None:
                    os.killpg(part.process.pid, signal.SIGKILL)
                    part.process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def stand(folder: Path, workers: int = 2, receivers: int = 2) -> Iterator[Stand]:
    """Start everything; end it afterwards."""
    port = free_port()
    sandbox = Sandbox(base_url=f"http://127.0.0.1:{port}")
    with ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        stack.enter_context(running(sandbox.app(), port))
        made = Stand(folder, sandbox, network, network.cable_to_port(port))
        stack.callback(made.stop)
        _prepare(made, f"127.0.0.1:{port}", workers, receivers)
        for part in made.parts.values():
            made.start(part)
            if part.name == "store":
                until(lambda: embedded.ping(made.store_url), "the store answers")
        supervisor = threading.Thread(target=made.supervise, name="supervisor", daemon=True)
        supervisor.start()
        until(made.ready, "everything is ready")
        sandbox.faults.add(lag("search", SEARCH_LAG))
        yield made
        made.ended.set()
        supervisor.join(10)


def _prepare(made: Stand, sns: str, workers: int, receivers: int) -> None:
    config = made.folder / "bridge.yaml"
    vendor = f"http://127.0.0.1:{made.vendor.port}"
    known = {"sns": sns, "vendor": vendor, "topic": TOPIC, "slack_token": SLACK_TOKEN, "jira_token": JIRA_TOKEN}
    config.write_text(CONFIG.format(lease=LEASE, settle=SETTLE, jira_settle=JIRA_SETTLE, **known))
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(config)})
    made.sources = wiring.sources(settings)
    cloudwatch = made.sources["cloudwatch"]
    assert isinstance(cloudwatch, CloudWatch)
    cloudwatch.signer = made.sandbox.sns.signer
    argv = embedded.server_argv(embedded.find_server(), made.folder / "data")
    made.parts["store"] = Part("store", argv, {})
    shim = _skew(made.folder)
    for number in range(receivers):
        made.ports.append(free_port())
        made.fronts.append(made.network.cable_to_port(made.ports[-1]))
        serve = [sys.executable, "-m", "bridge.cli", "serve", "--port", str(made.ports[-1])]
        _add(made, f"receiver-{number}", serve, config, {"ALERT_BRIDGE_DATA": str(made.folder / f"receiver-{number}")})
    for number in range(workers):
        off = {"LD_PRELOAD": str(shim), "CLOCK_OFF": str(420 * number)} if shim and number else {}
        _add(made, f"worker-{number}", [sys.executable, *WORKER, *(CHILDREN if number else ())], config, off)


def _add(made: Stand, name: str, argv: list[str], config: Path, more: dict[str, str]) -> None:
    cable = made.network.cable_to_socket(str(embedded.socket_path(made.folder / "data")))
    environ = {"ALERT_BRIDGE_CONFIG": str(config), "REDIS_URL": f"redis://127.0.0.1:{cable.port}/0", **more}
    made.parts[name] = Part(name, argv, environ, cable)


def _skew(folder: Path) -> Path | None:
    """Return the shim that sets a process's clock wrong; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    shim = folder / "skew.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(SKEW), "-ldl"], check=True)
    return shim
