"""A thousand checks every 30 s in one worker: how late each run begins, and what a run costs.

One window of 40 s (BENCH_CHECKS_SECONDS for another), so each check runs once or twice; one target in a hundred hangs
for its whole time-out. A run's lateness is counted from its slot, which follows from its name: drift would show.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from statistics import quantiles

import httpx
import msgspec
import redis

from bench.ports import free_port
from bench.row import Row, Series, limit_row
from bench.stage import OTHERS, TESTED, Program, Stage, listens, wait_for
from bridge.store.checks import Checks, Timetable
from bridge.store.keyspace import Keyspace

COUNT, HANGING = 1000, 10
EVERY = timedelta(seconds=30)
SECONDS = float(os.environ.get("BENCH_CHECKS_SECONDS", "40"))
FLOOR_SECONDS = 20.0
FLOOR = "asyncio alone: a connection and a request at each slot"
PLAN = "allow_private: true, every: 30s, timeout: 5s, fail_after: 60"
ENTRY = '  {name}: {{url: "http://127.0.0.1:{port}/{name}", ' + PLAN + "}}\n"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the lateness of the runs that were due in the window, and the worker's CPU time for each."""
    names = [f"{'hanging' if n < HANGING else 'check'}-{n}" for n in range(COUNT)]
    slots = {name: Timetable(name=name, every=EVERY, timeout=timedelta(seconds=5)).slots() for name in names}
    port = free_port()
    stage.python("targets", "bench.programs.targets", str(port), cores=OTHERS)
    text = stage.config.read_text() + "checks:\n" + "".join(ENTRY.format(name=name, port=port) for name in names)
    stage.config.write_text(text)
    with stage.store() as client:
        _enroll(client, slots)
        worker = stage.worker()
        ours = _window(worker, port, slots, SECONDS)
        worker.end()
    file = stage.folder / "slots"
    file.write_bytes(msgspec.json.encode([(name, *slot) for name, slot in slots.items()]))
    floor_program = stage.python("checker", "bench.floors.checker", str(port), str(file), cores=TESTED)
    wait_for(lambda: "waiting" in floor_program.log.read_text(), floor_program)
    floor = _window(floor_program, port, slots, FLOOR_SECONDS)
    yield from _rows(ours, floor)


def _enroll(client: redis.Redis, slots: dict[str, tuple[int, int]]) -> None:
    """Put every check at its first slot from now on, as it would be after its first run."""
    keys = Keyspace(client)
    Checks(keys).enroll(Timetable(name=name, every=EVERY, timeout=EVERY) for name in slots)
    now = time.time() * 1000 + 8000  # the worker starts meanwhile
    due = {name: now - (now - phase) % every + every for name, (every, phase) in slots.items()}
    client.zadd(keys.key("checks:due"), due)


def _window(
    program: Program, port: int, slots: dict[str, tuple[int, int]], seconds: float
) -> tuple[list[float], int, float, float]:
    """Return lateness in ms of the runs due in a window, how many of them never came, and CPU: share and µs a run."""
    wait_for(lambda: listens(port), program)
    time.sleep(9 if seconds == SECONDS else 1)
    began, spent = time.time() * 1000, program.cpu()
    time.sleep(seconds)
    ended, spent = time.time() * 1000, program.cpu() - spent
    time.sleep(1)
    asked: dict[str, list[float]] = httpx.get(f"http://127.0.0.1:{port}/asked", trust_env=False).json()
    late, lost = [], 0
    for name, (every, phase) in slots.items():
        slot = began - (began - phase) % every + every
        while slot < ended:
            came = [at for at in asked.get(name, []) if slot - 50 <= at < slot + every - 50]
            late += [max(0.0, came[0] - slot)] if came else []
            lost += not came
            slot += every
    return late, lost, spent / seconds * 100, spent / max(1, len(late)) * 1e6


def _rows(ours: tuple[list[float], int, float, float], floor: tuple[list[float], int, float, float]) -> Iterator[Row]:
    (late, lost, share, each), (bare, _, bare_share, bare_each) = ours, floor
    note = f"{len(late):,} runs in {SECONDS:g} s, {lost} never began; {HANGING} targets hang for 5 s; CPU is of a run"
    for name, percent, most in (("p50", 50, 50.0), ("p99", 99, 500.0), ("max", 100, 1000.0)):
        what = f"{COUNT:,} checks every 30 s: a run begins late by, {name}"
        series, under = Series(), Series()
        series.add(_percentile(late, percent), each if percent == 50 else None)
        under.add(_percentile(bare, percent), bare_each if percent == 50 else None)
        row = limit_row(what, "ms", series, under, FLOOR, most, f"< {most:g} ms")
        row.note = note if percent == 50 else ""
        row.met = bool(row.met) and not lost
        yield row
    what = f"{COUNT:,} checks every 30 s: of one core"
    yield limit_row(what, "%", Series([share]), Series([bare_share]), FLOOR, 50, "< 50 %")


def _percentile(times: list[float], percent: int) -> float:
    return max(times) if percent == 100 else quantiles(times, n=100, method="inclusive")[percent - 1]
