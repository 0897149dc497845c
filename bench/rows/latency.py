"""Webhook → Slack call while the bridge is idle: through the real receiver, broker, worker and Slack's sandbox."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from statistics import quantiles

import msgspec

from bench import payloads
from bench.peers import Absent, alertmanager
from bench.ports import free_port
from bench.row import Row, Series
from bench.stage import OTHERS, RUNS, Stage, wait_for

COUNT = 200
"""Alerts in all; each run has its share."""
PEER = f"{alertmanager.NAME}, group_wait 0s"
FLOOR = "bare receiver, plain consumer, http.client"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the median and the 99th percentile over all runs, against a floor and against Alertmanager."""
    with stage.store():
        _, port = stage.receiver()
        stage.worker()
        _, bare_port = stage.bare_receiver(1000)
        floor_slack = free_port()
        notifier = stage.python("notifier", "bench.floors.notifier", str(floor_slack))
        wait_for(lambda: "waiting" in notifier.log.read_text(), notifier)
        peer = _peer(stage)
        # The receiver and the worker share the tested core: an idle bridge needs no more.
        _run(stage, port, stage.vendors_port, 0, 5)
        ours, floor, theirs = [], [], []
        for run in range(1, RUNS + 1):
            ours.append(_run(stage, port, stage.vendors_port, run, COUNT // RUNS))
            floor.append(_run(stage, bare_port, floor_slack, run, COUNT // RUNS))
            if peer:
                theirs.append(_run(stage, *peer, run, COUNT // RUNS, alertmanager.request))
    for name, percent in (("p50", 50), ("p99", 99)):
        what = f"webhook → Slack call, idle, {name}"
        series = _percentile(ours, percent), _percentile(floor, percent)
        yield Row(what, "ms", *series, FLOOR, "—", more_is_better=False)
        if theirs:
            other = _percentile(theirs, percent)
            row = Row(what, "ms", series[0], other, PEER, "≤ 3 × its", more_is_better=False)
            row.met = row.ratio >= 1 / 3
            yield row


def _peer(stage: Stage) -> tuple[int, int] | None:
    """Return Alertmanager's port and that of its Slack, if it is there."""
    slack = free_port()
    try:
        _, port = alertmanager.start(stage, slack=slack)
    except Absent as absent:
        print(f"left out: {absent}", file=sys.stderr)
        return None
    return port, slack


def _run(
    stage: Stage,
    port: int,
    vendors_port: int,
    run: int,
    count: int,
    request: Callable[[int], bytes] = lambda number: payloads.sentry(number, issue=str(number + 1)),
) -> list[float]:
    file = stage.folder / "requests"
    numbers = range(run * 1000, run * 1000 + count)
    file.write_bytes(msgspec.msgpack.encode([request(number) for number in numbers]))
    argv = ("bench.programs.stopwatch", str(port), str(vendors_port), str(file))
    return msgspec.json.decode(stage.output(*argv, cores=OTHERS), type=list[float])


def _percentile(runs: list[list[float]], percent: int) -> Series:
    """Return the percentile of each run; of all of them together where a run has too few for it."""
    series = Series()
    every = runs if percent == 50 else [[ms for run in runs for ms in run]]
    for times in every:
        series.add(quantiles(times, n=100, method="inclusive")[percent - 1])
    return series
