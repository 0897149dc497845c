"""How the bridge itself is, for /metrics and /readyz?full: it needs no worker, which may be what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from bridge.pipeline.concerns import Concern
from bridge.pipeline.parts import Parts
from bridge.pipeline.pulse import withheld
from bridge.pipeline.selfwatch import standing
from bridge.store.checks import Checks
from bridge.store.keyspace import Keyspace
from bridge.store.vitals import Vital, Vitals
from bridge.web.check_metrics import check_details, check_gauges

_AGES = {
    "alert_bridge_proof_age_seconds": "Since the bridge's own entry was last read out of the inbox and committed.",
    "alert_bridge_outgoing_heartbeat_age_seconds": "Since the outgoing heartbeat last got through.",
}


class Wellbeing:
    """Reads the bridge's vital signs; every use asks the store, and raises RedisError."""

    def __init__(self, keyspace: Keyspace, parts: Parts) -> None:
        self._vitals, self._parts = Vitals(keyspace), parts
        self._checks = Checks(keyspace)

    def _read(self) -> tuple[Vital, dict[str, Concern]]:
        vital = self._vitals.read(list(self._parts.sinks))
        return vital, standing(self._parts, vital)

    def details(self) -> dict[str, object]:
        """Return what /readyz?full says; no vendor's words and no host names, for anybody may ask."""
        vital, found = self._read()
        silent = self._parts.self_watch.worker_silent_for
        return {
            "concerns": [{"name": c.name, "severity": str(c.severity), "title": c.title} for c in found.values()],
            "workers": {
                "alive": sum(vital.now - worker.beat < silent for worker in vital.workers),
                "silent": sum(vital.now - worker.beat >= silent for worker in vital.workers),
            },
            "inbox_age_seconds": _age(vital, vital.oldest),
            "oldest_undelivered_seconds": {name: _age(vital, vital.owed.get(name)) for name in self._parts.sinks},
            "blocked": sorted(vital.blocked),
            "dead_letters": vital.letters,
            "canary_seconds": _since(vital, vital.flight.arrived if vital.flight else None),
            "proven_seconds": _since(vital, vital.proof.proven),
            "outgoing_heartbeat": self._heartbeat(vital, found),
            "checks": check_details(self._checks.tally()),
        }

    def _heartbeat(self, vital: Vital, found: dict[str, Concern]) -> dict[str, object] | None:
        """Return when the outgoing heartbeat got through last, and why it is not sent now; None without one."""
        if self._parts.pulse is None:
            return None
        why = withheld(vital, found, self._parts.aviary) or vital.pulse.withheld
        return {"sent_seconds": _since(vital, vital.pulse.sent), "withheld": why}

    def metrics(self) -> Iterator[Metric]:
        """Yield the same for Prometheus."""
        vital, found = self._read()
        silent = self._parts.self_watch.worker_silent_for
        alive = sum(vital.now - worker.beat < silent for worker in vital.workers)
        yield GaugeMetricFamily("alert_bridge_workers", "Workers that live.", value=alive)
        yield GaugeMetricFamily(
            "alert_bridge_inbox_age_seconds",
            "Since the oldest request in the inbox was accepted; 0 when there is none.",
            value=_age(vital, vital.oldest),
        )
        for (name, words), at in zip(_AGES.items(), (vital.proof.proven, vital.pulse.sent), strict=True):
            age = _since(vital, at)
            yield GaugeMetricFamily(name, words, value=float("nan") if age is None else age)
        yield from _canary(vital)
        late = GaugeMetricFamily(
            "alert_bridge_oldest_undelivered_seconds",
            "For how long a destination has not been told of what it should know; 0 when it is up to date.",
            labels=["destination"],
        )
        blocked = GaugeMetricFamily(
            "alert_bridge_blocked", "Whether nothing gets through to a destination.", labels=["destination"]
        )
        for name in self._parts.sinks:
            late.add_metric([name], _age(vital, vital.owed.get(name)))
            blocked.add_metric([name], name in vital.blocked)
        yield late
        yield blocked
        yield from check_gauges(self._checks.tally())
        standing_now = GaugeMetricFamily(
            "alert_bridge_concern", "What keeps the bridge from its work.", labels=["concern", "destination"]
        )
        for concern in found.values():
            standing_now.add_metric([concern.kind, concern.destination], 1)
        yield standing_now


def _canary(vital: Vital) -> Iterator[Metric]:
    flight = vital.flight
    age = _since(vital, flight.arrived if flight else None)
    took = flight.took.total_seconds() if flight and flight.arrived else float("nan")
    words = "Since a canary last arrived everywhere."
    yield GaugeMetricFamily("alert_bridge_canary_age_seconds", words, value=float("nan") if age is None else age)
    yield GaugeMetricFamily("alert_bridge_canary_took_seconds", "How long the last that arrived took.", value=took)


def _since(vital: Vital, at: datetime | None) -> float | None:
    return max((vital.now - at).total_seconds(), 0.0) if at else None


def _age(vital: Vital, since: datetime | None) -> float:
    return _since(vital, since) or 0.0
