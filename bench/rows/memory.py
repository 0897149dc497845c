"""Bytes in the store: of an open incident with two receipts, and of an accepted alert in the inbox."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import redis

from bench.inbox import fill, typical
from bench.row import Row, Series, limit_row
from bench.stage import TESTED, Stage
from bridge.domain.alert import Link
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
        memo=("3f0c2b7d9a51e864", "7b1d0c9e2f3a4b5c"),
    ),
    "tickets": Receipt(
        handle=("OPS-12345", "1012345"),
        version=1,
        told=1,
        link=Link("Jira OPS-12345", "https://acme-kr.atlassian.net/browse/OPS-12345"),
        memo=("3f0c2b7d9a51e864",),
    ),
}


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the inbox's bytes per alert, then the store's per incident."""
    with stage.store() as client:
        before = _used(client)
        fill(client, COUNT, COUNT)
        inbox = (_used(client) - before) / COUNT
        client.flushall()
        before = _used(client)
        incident = _incidents(stage, client) - before / COUNT
    json = len(msgspec.json.encode(typical()))
    yield _row("inbox, per accepted alert", inbox, json, json * 1.2, "≤ 1.2 × its JSON")
    yield _row("store, per open incident with two receipts", incident, json, 1500, "≤ 1,500 bytes")


def _row(what: str, ours: float, json: float, most: float, aim: str) -> Row:
    return limit_row(what, "bytes", Series([ours]), Series([json]), "JSON of the alert", most, aim)


def _incidents(stage: Stage, client: redis.Redis) -> float:
    """Return the bytes in use per incident once all of them are open and told to both destinations."""
    fill(client, COUNT, COUNT)
    stage.output("bench.programs.drain", cores=TESTED)
    keys = Keyspace(client)
    incidents, deliveries = Incidents(keys), Deliveries(keys)
    ids = [record.incident.id for record in incidents.each()]
    for destination in RECEIPTS:
        client.zadd(keys.key(f"due:{destination}"), dict.fromkeys(ids, 0))  # routes send only some to tickets
        _tell(deliveries, destination)
    return _used(client) / COUNT


def _tell(deliveries: Deliveries, destination: str) -> None:
    """Settle a delivery of every incident, as a worker would after it told the destination."""
    while True:
        now, leases = deliveries.take(destination, 500)
        if not leases:
            return
        for lease in leases:
            deliveries.settle(lease, Settlement(outcome=Settled.DONE, receipt=RECEIPTS[destination]), now)


def _used(client: redis.Redis) -> float:
    """Return the bytes in use, without those of connections."""
    memory = client.info("memory")
    return float(memory["used_memory"] - memory["mem_clients_normal"] - memory["mem_aof_buffer"])
