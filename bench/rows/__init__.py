"""The rows of the report: one file each, one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.row import Row
from bench.rows import (
    answers,
    checks,
    crash,
    footprint,
    growth,
    ingest,
    latency,
    limit,
    memory,
    peers,
    start,
    storm,
    webhooks,
)
from bench.stage import Stage

Measure = Callable[[Stage], Iterator[Row]]

ROWS: dict[str, Measure] = {
    "webhooks": webhooks.measure,
    "peers": peers.measure,
    "answers": answers.measure,
    "ingest": ingest.measure,
    "latency": latency.measure,
    "storm": storm.measure,
    "limit": limit.measure,
    "checks": checks.measure,
    "crash": crash.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "start": start.measure,
    "footprint": footprint.measure,
}
