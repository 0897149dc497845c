"""10,000 different alerts at once, each told by a message of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from bench import payloads
from bench.peers import Absent, alertmanager, flask_celery
from bench.programs.slack import Counts
from bench.row import Row, Series, limit_row
from bench.stage import CORES, Program, Stage, listens, wait_for

COUNT, CONNECTIONS = int(os.environ.get("BENCH_STORM", "10000")), 32
STORMS = int(os.environ.get("BENCH_STORMS", "3"))
ALL = set(CORES)


@dataclass
class Storm:
    """What a storm took."""

    seconds: float
    cpu_us: float
    """CPU microseconds per alert, of all processes of the one that told."""
    memory: float
    """The most bytes that these held."""


def measure(stage: Stage) -> Iterator[Row]:
    """Yield time, CPU and memory of a storm; what gets through a limit; what a crash costs."""
    requests = [payloads.alertmanager(n) for n in range(COUNT)]
    ours = [_ours(stage, requests) for _ in range(STORMS)]
    theirs = _of_peer(lambda: _alertmanager(stage))
    naive = _of_peer(lambda: _naive(stage, requests))
    yield from _rows(ours, theirs, alertmanager.NAME, (1.0, 2.0))
    yield from _rows(ours, naive, flask_celery.NAME, (None, None))
    held = Series([storm.memory / 1e6 for storm in ours])
    peer = Series([storm.memory / 1e6 for storm in theirs] or held.values)
    yield limit_row("storm: memory of all processes, store included", "MB", held, peer, _name(), 150, "≤ 150 MB")


def _name() -> str:
    return f"{alertmanager.NAME}, {COUNT:,} groups, group_wait 0s, the same cores"


def _rows(ours: list[Storm], theirs: list[Storm], name: str, least: tuple[float | None, float | None]) -> Iterator[Row]:
    if not theirs:
        return
    for what, unit, value, aim in (
        ("time", "s", lambda storm: storm.seconds, least[0]),
        ("CPU of all processes", "µs/alert", lambda storm: storm.cpu_us, least[1]),
    ):
        row = Row(
            f"storm: {COUNT:,} alerts, {COUNT:,} Slack calls, {what}, against {name}",
            unit,
            Series([value(storm) for storm in ours]),
            Series([value(storm) for storm in theirs]),
            f"{name}, the same storm on the same cores",
            f"≤ {1 / aim:g} × its" if aim else "—",
            more_is_better=False,
        )
        row.met = row.ratio >= aim if aim else None
        yield row


def _of_peer(run: Callable[[], Storm]) -> list[Storm]:
    try:
        return [run() for _ in range(STORMS)]
    except Absent as absent:
        print(f"left out: {absent}", file=sys.stderr)
        return []


def _ours(stage: Stage, requests: list[bytes]) -> Storm:
    with stage.another() as own:
        slack(own, own.vendors_port)
        own.store(ALL)
        receiver, port = own.receiver(ALL)
        programs = [own.stores[-1], receiver, own.worker(ALL)]
        return _storm(own, programs, own.vendors_port, port, requests)


def _alertmanager(stage: Stage) -> Storm:
    with stage.another() as own:
        slack(own, own.vendors_port)
        program, port = alertmanager.start(own, slack=own.vendors_port, cores=ALL)
        return _storm(own, [program], own.vendors_port, port, [alertmanager.request(n) for n in range(COUNT)])


def _naive(stage: Stage, requests: list[bytes]) -> Storm:
    with stage.another() as own:
        slack(own, own.vendors_port)
        own.store(ALL)
        programs, port = flask_celery.start(own, own.vendors_port, ALL)
        return _storm(own, [own.stores[-1], *programs], own.vendors_port, port, requests)


def slack(stage: Stage, port: int, per_second: float = 0) -> Program:
    """Start a Slack that counts."""
    program = stage.python("slack", "bench.programs.slack", str(port), str(per_second), cores=ALL)
    wait_for(lambda: listens(port), program)
    return program


def counts(port: int) -> Counts:
    """Return what a Slack has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=10) as answer:
        return msgspec.json.decode(answer.read(), type=Counts)


def send(stage: Stage, port: int, requests: list[bytes]) -> None:
    """Send each request once."""
    file = stage.folder / "storm"
    file.write_bytes(msgspec.msgpack.encode(requests))
    found = msgspec.json.decode(
        stage.output("bench.programs.load", str(port), "100", str(CONNECTIONS), str(file), "once", cores=ALL)
    )
    if found["refused"] or found["answered"] != len(requests):
        raise AssertionError(f"of {len(requests)} requests: {found}")


def _storm(stage: Stage, programs: Sequence[Program], slack_port: int, port: int, requests: list[bytes]) -> Storm:
    """Send all at once; returns when the last was told."""
    cpu = sum(program.cpu() for program in programs)
    peak = _Peak(programs)
    began = time.monotonic()
    send(stage, port, requests)
    stage.until(lambda: counts(slack_port).told >= COUNT, 120)
    found = counts(slack_port)
    used = sum(program.cpu() for program in programs) - cpu
    storm = Storm(found.last - began, used / COUNT * 1e6, peak.end())
    if found.twice:
        raise AssertionError(f"{found.twice} alerts were told twice")
    return storm


class _Peak:
    """Watches how much memory programs hold."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self._most = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> float:
        """Return the most bytes they held."""
        self._over.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            self._most = max(self._most, sum(program.memory() for program in self._programs))
