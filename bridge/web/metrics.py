"""GET /metrics: what this receiver answered, and what the store knows of the whole bridge."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.exceptions import RedisError

from bridge.store.keyspace import Keyspace
from bridge.web.check_metrics import check_counts

log = structlog.get_logger(__name__)


class Gauges:
    """A Prometheus collector that asks the store at each scrape; keeps nothing itself."""

    def __init__(
        self,
        keyspace: Keyspace,
        destinations: Sequence[str],
        answers: Counter[tuple[str, int]],
        pressure: Callable[[], Iterator[Metric]],
        wellbeing: Callable[[], Iterator[Metric]],
        pings: Counter[int],
    ) -> None:
        self._keys = keyspace
        self._pressure = pressure
        self._wellbeing = wellbeing
        self._destinations = destinations
        self._answers = answers
        self._pings = pings

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; without the store, those that need none of it."""
        yield self._webhooks()
        yield self._ping_requests()
        yield from self._pressure()
        try:
            yield from self._of_store()
            yield from self._wellbeing()
        except RedisError as error:
            log.warning("metrics_incomplete", reason=str(error))

    def _of_store(self) -> Iterator[Metric]:
        pipe = self._keys.client.pipeline(transaction=False)
        pipe.hgetall(self._keys.key("counts"))
        pipe.xlen(self._keys.key("inbox"))
        pipe.hlen(self._keys.key("dead"))
        pipe.get(self._keys.key("swept"))
        pipe.zrange(self._keys.key("beats"), 0, -1, withscores=True)
        for name in self._destinations:
            pipe.zcard(self._keys.key(f"due:{name}"))
        counts, inbox, dead, swept, beats, *due = pipe.execute()
        yield from _counted(cast("dict[bytes, bytes]", counts))
        yield _heartbeats(beats)
        yield from check_counts(cast("dict[bytes, bytes]", counts))
        yield GaugeMetricFamily("alert_bridge_inbox_requests", "Accepted requests not yet ingested.", value=inbox)
        yield GaugeMetricFamily("alert_bridge_dead_letters", "Deliveries and requests that need a person.", value=dead)
        age = time.time() - int(swept) / 1000 if swept else float("nan")
        yield GaugeMetricFamily("alert_bridge_sweep_age_seconds", "Since a worker last looked for work.", value=age)
        waiting = GaugeMetricFamily("alert_bridge_due", "Deliveries waiting.", labels=["destination"])
        for name, number in zip(self._destinations, due, strict=True):
            waiting.add_metric([name], number)
        yield waiting

    def _webhooks(self) -> Metric:
        family = CounterMetricFamily(
            "alert_bridge_webhooks", "Webhooks answered by this receiver.", labels=["source", "status"]
        )
        for (source, status), number in self._answers.items():
            family.add_metric([source, str(status)], number)
        return family

    def text(self) -> bytes:
        """Return the exposition, as Prometheus scrapes it."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def _ping_requests(self) -> Metric:
        answered = CounterMetricFamily("alert_bridge_ping_requests", "Requests to /ping answered.", labels=["status"])
        for status, number in self._pings.copy().items():
            answered.add_metric([str(status)], number)
        return answered

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not ask the store."""
        return []


def _heartbeats(beats: Sequence[tuple[bytes, float]]) -> Metric:
    """Return which are up: what is down has no time at which to look at it again."""
    up = GaugeMetricFamily("alert_bridge_heartbeat_up", "0 while it is down.", labels=["kind", "name"])
    for member, score in beats:
        kind, _, name = member.decode().partition(":")
        up.add_metric([kind, name], float(score != float("inf")))
    return up


def _counted(counts: dict[bytes, bytes]) -> Iterator[Metric]:
    changes = CounterMetricFamily("alert_bridge_changes", "What statements did to incidents.", labels=["change"])
    deliveries = CounterMetricFamily(
        "alert_bridge_deliveries", "Attempts at deliveries, by how they ended.", labels=["destination", "outcome"]
    )
    recoveries = CounterMetricFamily(
        "alert_bridge_recoveries", "Runs of recovery actions, by how they ended.", labels=["action", "result"]
    )
    pings = CounterMetricFamily("alert_bridge_pings", "Pings that were taken in.", labels=["kind"])
    for key, number in counts.items():
        kind, _, rest = key.decode().partition(":")
        if kind == "change":
            changes.add_metric([rest], int(number))
        elif kind == "ping":
            pings.add_metric([rest], int(number))
        elif kind == "delivery":
            deliveries.add_metric(rest.rsplit(":", 1), int(number))
        elif kind == "recovery":
            recoveries.add_metric(rest.rsplit(":", 1), int(number))
    yield changes
    yield deliveries
    yield recoveries
    yield pings
    shed = CounterMetricFamily("alert_bridge_dead_letters_shed", "Letters there was no room for.")
    shed.add_metric([], int(counts.get(b"dead_letters_shed", 0)))
    yield shed
