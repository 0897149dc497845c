"""The rows of the report: one file each, one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.row import Row
from bench.rows import ingest, latency, memory, webhooks
from bench.stage import Stage

Measure = Callable[[Stage], Iterator[Row]]

ROWS: dict[str, Measure] = {
    "webhooks": webhooks.measure,
    "ingest": ingest.measure,
    "latency": latency.measure,
    "memory": memory.measure,
}
