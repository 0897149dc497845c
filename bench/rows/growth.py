"""What grows with the bridge: many open incidents, an incident that repeats for ever, more receivers and workers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import msgspec
import redis

from bench import payloads
from bench.inbox import fill, from_alertmanager
from bench.row import Row, Series, limit_row, ratio_row
from bench.stage import CORES, OTHERS, RUNS, TESTED, Program, Stage, empty

MANY = int(os.environ.get("BENCH_INCIDENTS", "1000000"))
FEW, ALERTS, REPEATS = 1_000, 5_000, 10_000
DRAINED = 40_000
"""So many that it does not count when the second of two begins a tenth of a second later."""
IDLE = 10.0
DRAIN = "bench.programs.drain"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield cost per alert early and late, a sweep over much that is idle, and one against two of a kind."""
    with stage.store() as client:
        yield _one_incident(stage, client)
        few, idle_few = _repeats(stage, client), _idle(stage, client)
        _copies(client, MANY)
        stage.until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 120)
        many, idle_many = _repeats(stage, client), _idle(stage, client)
        yield _growth(f"cost per alert, {MANY:,} open incidents against {FEW:,}", many, few)
        name = f"idle worker and store, {MANY:,} open incidents"
        yield limit_row(name, "% of a core", idle_many, idle_few, f"the same, {FEW:,} open incidents", 1, "< 1 %")
        yield _two_workers(stage, client)
        yield _two_receivers(stage, client)


def _growth(what: str, late: Series, early: Series) -> Row:
    row = Row(what, "CPU µs/alert", late, early, "the bridge itself, small", "≤ 1.15 ×", more_is_better=False)
    row.met = row.ratio >= 1 / 1.15
    return row


def _drain(stage: Stage, count: int) -> float:
    """Return the CPU microseconds per alert, of worker and store, that ingest takes for what lies in the inbox."""
    before = stage.stores[-1].cpu()
    spent: dict[str, float] = msgspec.json.decode(stage.output(DRAIN, cores=TESTED))
    return (spent["cpu"] + stage.stores[-1].cpu() - before) / count * 1e6


def _one_incident(stage: Stage, client: redis.Redis) -> Row:
    early, late = Series(), Series()
    for _ in range(RUNS):
        empty(client)
        for first, series in ((0, early), (REPEATS, late)):
            fill(client, from_alertmanager(), ALERTS, 1, first)
            series.add(_drain(stage, ALERTS))
            fill(client, from_alertmanager(), REPEATS - ALERTS, 1, first + ALERTS)
            _drain(stage, 1)
    return _growth(f"cost per alert, one incident, after {REPEATS:,} repeats against the first", late, early)


def _repeats(stage: Stage, client: redis.Redis) -> Series:
    """Return what a repeat costs, of a thousand incidents that are open beside the others."""
    series = Series()
    fill(client, from_alertmanager(), FEW, FEW, 10**8)
    _drain(stage, FEW)
    for run in range(RUNS):
        fill(client, from_alertmanager(), ALERTS, FEW, 10**8 + (run + 1) * ALERTS)
        series.add(_drain(stage, ALERTS))
    return series


def _copies(client: redis.Redis, count: int) -> None:
    """Make so many incidents of one: what is measured beside them does not look at them."""
    (one,) = list(client.scan_iter("{ab}:i:*", count=10_000))[:1]
    for start in range(0, count, 10_000):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + 10_000, count)):
            pipe.copy(one, f"{{ab}}:i:{number:024x}")
        pipe.execute()


def _idle(stage: Stage, client: redis.Redis) -> Series:
    """Return what is used while nothing is due: what would be is taken as told, for nobody plays Slack here."""
    client.delete(*(f"{{ab}}:{kind}:{name}" for kind in ("due", "owed") for name in ("oncall", "tickets")))
    worker = stage.worker(OTHERS)
    programs = (worker, stage.stores[-1])
    time.sleep(2)
    before = sum(program.cpu() for program in programs)
    time.sleep(IDLE)
    used = sum(program.cpu() for program in programs) - before
    worker.end()
    stage.programs.remove(worker)
    return Series([used / IDLE * 100])


def _two_workers(stage: Stage, client: redis.Redis) -> Row:
    """Ingest by one process, then by two at once, each on a core, both shared with the store."""
    one, two = Series(), Series()
    for _ in range(RUNS):
        for series, cores in ((one, CORES[:1]), (two, CORES[:2])):
            empty(client)
            fill(client, from_alertmanager(), DRAINED, DRAINED)
            series.add(DRAINED / _together(stage, cores))
    return ratio_row("ingest, 2 workers on 2 cores against 1", "alerts/s", two, one, "one worker on one core", 1.8)


def _together(stage: Stage, cores: Sequence[int]) -> float:
    """Return how long the longest of some drains took."""
    programs = [stage.python(f"drain-{core}", DRAIN, cores={core}) for core in cores]
    for program in programs:
        program.process.wait(120)
        stage.programs.remove(program)
    said = [program.log.read_text().rstrip().rpartition("\n")[2] for program in programs]
    return max(msgspec.json.decode(text)["seconds"] for text in said)


def _two_receivers(stage: Stage, client: redis.Redis) -> Row:
    """The load by two processes too, so that it is not what is measured."""
    one, two = Series(), Series()
    file = stage.folder / "growth"
    file.write_bytes(msgspec.msgpack.encode([payloads.alertmanager(n) for n in range(256)]))
    receivers = [stage.receiver({core}) for core in CORES[:2]]
    for _ in range(RUNS):
        for series, used in ((one, receivers[:1]), (two, receivers)):
            empty(client)
            series.add(_load(stage, used))
    return ratio_row(
        "accepted, 2 receivers on 2 cores against 1", "alerts/s", two, one, "one receiver on one core", 1.8
    )


def _load(stage: Stage, receivers: Sequence[tuple[Program, int]]) -> float:
    loads = [
        stage.python(f"load-{port}", "bench.programs.load", str(port), "2", "32", str(stage.folder / "growth"))
        for _, port in receivers
    ]
    for one, core in zip(loads, reversed(CORES[:2]), strict=False):
        os.sched_setaffinity(one.process.pid, {core})
    rate = 0.0
    for one in loads:
        one.process.wait(60)
        stage.programs.remove(one)
        found = msgspec.json.decode(one.log.read_text().rstrip().rpartition("\n")[2])
        rate += found["answered"] / found["seconds"]
    return rate
