"""Webhook → Slack call while the bridge is idle: through the real receiver, broker, worker and Slack's sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import quantiles

import msgspec

from bench import payloads
from bench.ports import free_port
from bench.row import Row, Series, limit_row
from bench.stage import OTHERS, RUNS, Stage, wait_for

COUNT = 200
"""Alerts in all; each run has its share."""
FLOOR = "bare receiver, plain consumer, http.client"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the median and the 99th percentile over all runs."""
    with stage.store():
        _, port = stage.receiver()
        stage.worker()
        _, bare_port = stage.bare_receiver(1000)
        floor_slack = free_port()
        notifier = stage.python("notifier", "bench.floors.notifier", str(floor_slack))
        wait_for(lambda: "waiting" in notifier.log.read_text(), notifier)
        # The receiver and the worker share the tested core: an idle bridge needs no more.
        _run(stage, port, stage.vendors_port, 0, 5)
        ours, floor = [], []
        for run in range(1, RUNS + 1):
            ours.append(_run(stage, port, stage.vendors_port, run, COUNT // RUNS))
            floor.append(_run(stage, bare_port, floor_slack, run, COUNT // RUNS))
    for name, percent, most in (("p50", 50, 5.0), ("p99", 99, 50.0)):
        row = limit_row(
            f"webhook → Slack call, idle, {name}", "ms", _percentile(ours, percent), _percentile(floor, percent), FLOOR,
            most, f"< {most:g} ms" if percent == 50 else "—",
        )  # fmt: skip
        row.met = row.met if percent == 50 else None
        yield row


def _run(stage: Stage, port: int, vendors_port: int, run: int, count: int) -> list[float]:
    file = stage.folder / "requests"
    numbers = range(run * 1000, run * 1000 + count)
    file.write_bytes(msgspec.msgpack.encode([payloads.sentry(n, issue=str(n + 1)) for n in numbers]))
    argv = ("bench.programs.stopwatch", str(port), str(vendors_port), str(file))
    return msgspec.json.decode(stage.output(*argv, cores=OTHERS), type=list[float])


def _percentile(runs: list[list[float]], percent: int) -> Series:
    """Return the percentile of each run; of all of them together where a run has too few for it."""
    series = Series()
    every = runs if percent == 50 else [[ms for run in runs for ms in run]]
    for times in every:
        series.add(quantiles(times, n=100, method="inclusive")[percent - 1])
    return series
