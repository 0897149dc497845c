"""Bytes in the store: of an open incident with two receipts, and of an accepted alert in the inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import redis

from bench.inbox import fill, from_alertmanager, from_sentry
from bench.row import Row, Series, limit_row
from bench.stage import TESTED, Stage, empty
from bridge.domain.alert import Alert, Link
from bridge.pipeline.steps import of_attempt
from bridge.ports import Receipt
from bridge.store.deliveries import Deliveries, Settled, Settlement
from bridge.store.incidents import Incidents
from bridge.store.keyspace import Keyspace

COUNT = 10_000
RECEIPTS = {
    "oncall": Receipt(
        handle=("C0ONCALL", "1763706000.123459"),
        version=1,
        told=1,
        link=Link("Slack", "https://acme-kr.slack.com/archives/C0ONCALL/p1763706000123459"),
        memo=("3f0c2b7d9a51e864",),
    ),
    "tickets": Receipt(
        handle=("OPS-12345", "1012345"),
        version=1,
        told=1,
        link=Link("Jira OPS-12345", "https://acme-kr.atlassian.net/browse/OPS-12345"),
        memo=("priority=High", "link=e8747f77bac0", "link=fa4a301fc079"),
    ),
}
"""As Slack's and Jira's sinks leave them, with their links to each other."""


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the inbox's bytes per alert and the store's per incident, for two kinds of alerts."""
    with stage.store() as client:
        for kind, alert in (("Alertmanager", from_alertmanager()), ("Sentry with a stack", from_sentry())):
            json = len(msgspec.json.encode(alert))
            inbox = _growth(client, lambda alert=alert: fill(client, alert, COUNT, COUNT))  # type: ignore[misc]
            yield _row(f"inbox, per accepted alert: {kind}", inbox, json, json * 1.2, "≤ 1.2 × its JSON")
            incident = _growth(client, lambda alert=alert: _incidents(stage, client, alert))  # type: ignore[misc]
            name = f"store, per open incident with two receipts: {kind}"
            yield _row(name, incident, json, 1500, "≤ 1,500 bytes")


def _row(what: str, ours: float, json: float, most: float, aim: str) -> Row:
    return limit_row(what, "bytes", Series([ours]), Series([json]), "JSON of the alert", most, aim)


def _growth(client: redis.Redis, grow: Callable[[], None]) -> float:
    """Return by how many bytes for each alert an empty store grows."""
    empty(client)
    before = _used(client)
    grow()
    return (_used(client) - before) / COUNT


def _incidents(stage: Stage, client: redis.Redis, alert: Alert) -> None:
    """Open incidents and settle the deliveries of each as a worker does, the edit with the other's link included."""
    fill(client, alert, COUNT, COUNT)
    stage.output("bench.programs.drain", cores=TESTED)
    keys = Keyspace(client)
    deliveries = Deliveries(keys)
    deliveries.packs = True
    ids = [record.incident.id for record in Incidents(keys).each()]
    for destination in RECEIPTS:
        client.zadd(keys.key(f"due:{destination}"), dict.fromkeys(ids, 0))  # routes send only some to tickets
    for destination in (*RECEIPTS, *RECEIPTS):
        _tell(deliveries, destination)


def _tell(deliveries: Deliveries, destination: str) -> None:
    """Settle a delivery of every incident, as a worker would after it told the destination."""
    while True:
        now, leases = deliveries.take(destination, 500)
        if not leases:
            return
        for lease in leases:
            settlement = Settlement(outcome=Settled.DONE, receipt=RECEIPTS[destination])
            deliveries.settle(lease, settlement, now, tuple(of_attempt(lease, settlement, now)))


def _used(client: redis.Redis) -> float:
    """Return the bytes in use, without those of connections."""
    memory = client.info("memory")
    return float(memory["used_memory"] - memory["mem_clients_normal"] - memory["mem_aof_buffer"])
