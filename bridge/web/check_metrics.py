"""The checks in /metrics and /readyz?full: how many are down, how runs end, and whether anybody runs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bridge.store.checks import Tally


def check_details(tally: Tally) -> dict[str, object]:
    """Return what /readyz?full says of the checks."""
    return {"number": tally.number, "down": tally.down, "overdue_seconds": tally.overdue.total_seconds()}


def check_gauges(tally: Tally) -> Iterator[Metric]:
    """Yield how the checks are now."""
    state = GaugeMetricFamily("alert_bridge_checks", "Checks by how their target is.", labels=["state"])
    state.add_metric(["up"], tally.number - tally.down)
    state.add_metric(["down"], tally.down)
    yield state
    yield GaugeMetricFamily(
        "alert_bridge_checks_overdue_seconds",
        "By how much the run that waits longest is late; much more than a second: no worker takes them.",
        value=tally.overdue.total_seconds(),
    )


def check_counts(counts: Mapping[bytes, bytes]) -> Iterator[Metric]:
    """Yield how runs ended, and how late they began, from the store's counters."""
    runs = CounterMetricFamily("alert_bridge_check_runs", "Runs of checks by result.", labels=["result"])
    for key, number in counts.items():
        kind, _, result = key.decode().partition(":")
        if kind == "check":
            runs.add_metric([result], int(number))
    yield runs
    late = CounterMetricFamily("alert_bridge_check_lateness_seconds", "By how much runs began late, in all.")
    late.add_metric([], int(counts.get(b"checks_late_ms", 0)) / 1000)
    yield late
