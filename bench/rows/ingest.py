"""Alerts deduplicated per second and worker core, in batches, against a plain stream consumer."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import redis

from bench.inbox import fill, from_sentry
from bench.row import Row, Series, ratio_row
from bench.stage import RUNS, TESTED, Stage, empty

COUNT, PROBLEMS = 5_000, 1_000
FLOOR = "plain consumer: XREADGROUP 100, one Lua, XACK"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield repeats of problems that are open (each batch is about a hundred of them), then new problems only."""
    with stage.store() as client:
        for what, problems, known, least in (("all repeats", PROBLEMS, PROBLEMS, 0.5), ("all new", COUNT, 0, 0.3)):
            ours, floor = Series(), Series()
            for _ in range(RUNS):
                for series, program in ((ours, "bench.programs.drain"), (floor, "bench.floors.consumer")):
                    series.add(*_run(stage, client, program, problems, known))
            yield ratio_row(f"ingest, one alert a request, {what}", "alerts/s", ours, floor, FLOOR, least)


def _run(stage: Stage, client: redis.Redis, program: str, problems: int, known: int) -> tuple[float, float]:
    """Return alerts per second, and CPU microseconds of the worker per alert."""
    empty(client)
    if known:
        fill(client, from_sentry(), known, problems)
        stage.output("bench.programs.drain", cores=TESTED)
    fill(client, from_sentry(), COUNT, problems, first=known)
    spent: dict[str, float] = msgspec.json.decode(stage.output(program, cores=TESTED))
    return COUNT / spent["seconds"], spent["cpu"] / COUNT * 1e6
