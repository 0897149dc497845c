"""What /metrics says of pressure: it needs no store, which may be what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bridge.store.journal import Journal
from bridge.web.inlet import Inlet

SHED_BY = ("inbox", "waiting", "journal")


def pressure_metrics(inlet: Inlet, journal: Journal, shed: Counter[str]) -> Iterator[Metric]:
    """Yield this receiver's own view of the store, its journal and what it refused."""
    gauges = {
        "alert_bridge_store_up": ("Whether the store takes this receiver's writes.", not inlet.down),
        "alert_bridge_journal_records": (
            "Accepted requests in this receiver's journal, not yet in the store.",
            journal.records,
        ),
        "alert_bridge_journal_bytes": ("Size of this receiver's journal on the disk.", journal.size),
        "alert_bridge_journal_max_bytes": ("Size at which it takes no more.", journal.max_size),
        "alert_bridge_inbox_full": (
            "Whether the inbox is over its limit, so that senders are asked to come again.",
            inlet.full,
        ),
    }
    for name, (words, value) in gauges.items():
        yield GaugeMetricFamily(name, words, value=value)
    damaged = CounterMetricFamily("alert_bridge_journal_damaged", "Places in the journal that could not be read.")
    damaged.add_metric([], journal.damaged)
    yield damaged
    refused = CounterMetricFamily("alert_bridge_shed", "Requests answered 503, by what was full.", labels=["by"])
    for what in SHED_BY:
        refused.add_metric([what], shed[what])
    yield refused
