"""Memory of a receiver and of a worker, fresh and after many alerts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from bench import payloads
from bench.row import Row, Series, limit_row
from bench.rows.storm import ALL, slack
from bench.stage import OTHERS, Stage

ALERTS = int(os.environ.get("BENCH_ALERTS", "1000000"))
DISTINCT = 256
FLOOR = "the same process, just started"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield what each holds when the alerts are through."""
    slack(stage, stage.vendors_port)
    with stage.store(ALL) as client:
        receiver, port = stage.receiver(ALL)
        worker = stage.worker(ALL)
        fresh = [program.memory() / 1e6 for program in (receiver, worker)]
        file = stage.folder / "many"
        file.write_bytes(msgspec.msgpack.encode([payloads.alertmanager(n, 10) for n in range(DISTINCT)] * 40))
        for _ in range(-(-ALERTS // (DISTINCT * 10 * 40))):
            stage.output("bench.programs.load", str(port), "100", "32", str(file), "once", cores=OTHERS)
            stage.until(lambda: client.xlen("{ab}:inbox") == 0, 300)
        after = [program.memory() / 1e6 for program in (receiver, worker)]
    for name, before, now, most in zip(("receiver", "worker"), fresh, after, (60, 90), strict=True):
        what = f"memory of a {name} after {ALERTS:,} alerts"
        yield limit_row(what, "MB", Series([now]), Series([before]), FLOOR, most, f"< {most} MB")
