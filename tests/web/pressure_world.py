"""A receiver of its own process on a store of its own process, and a ledger of what was answered 202."""

from __future__ import annotations

import re
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import httpx
import msgspec

from bridge.domain.alert import Alert
from bridge.store.inbox import Inbox
from bridge.store.keyspace import Keyspace, connect
from tests.e2e.bridge_processes import Processes, until

CONFIG = """
sources:
  alertmanager: {{kind: alertmanager, bearer_token: alertmanager-token}}
destinations:
  oncall: {{kind: slack, token: xoxb-1, channel: C0ONCALL, api_url: "http://127.0.0.1:1/"}}
redis: {{url: "{url}"}}
receiver: {{{receiver}}}
"""
IN_TIME = 15.0
"""Seconds that an answer may take on a slow machine, where one that waits for the store would never come.

How long exactly the receiver waits is told by its constants: test_keeping.
"""
PROOF = {"authorization": "Bearer alertmanager-token"}
_alerts = msgspec.msgpack.Decoder(list[Alert]).decode


def new_client() -> httpx.Client:
    """Return a client that keeps no connection: the receiver may be another one by the next request."""
    return httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Pressed:
    """The bridge under pressure, and the ledger."""

    bridge: Processes
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    slowest: float = 0.0
    client: httpx.Client = field(default_factory=new_client)

    @property
    def journal(self) -> Path:
        """Where the journals lie."""
        return self.bridge.folder / "data" / "journal"

    def post(self, name: str, padding: int = 0) -> httpx.Response:
        """Post a statement about a problem of its own, and write down what was answered."""
        alert = {
            "status": "firing",
            "labels": {"alertname": name, "severity": "error"},
            "annotations": {"summary": name, "description": "x" * padding},
            "startsAt": datetime.now(UTC).isoformat(),
            "fingerprint": f"{zlib.crc32(name.encode()):016x}",
        }
        group = {"version": "4", "status": "firing", "receiver": "bridge", "alerts": [alert]}
        began = time.monotonic()
        answer = self.client.post(f"{self.bridge.url}/hooks/alertmanager", json=group, headers=PROOF)
        self.slowest = max(self.slowest, time.monotonic() - began)
        (self.accepted if answer.status_code == 202 else self.refused).append(name)
        return answer

    def post_many(self, prefix: str, count: int, at_once: int = 8) -> None:
        """Post many at the same time."""
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(self.post, [f"{prefix}{number}" for number in range(count)]))

    def keyspace(self) -> Keyspace:
        """Return the store's keys; to be closed."""
        return Keyspace(connect(self.bridge.redis_url))

    def command(self, *words: str) -> object:
        """Say something to the store."""
        with connect(self.bridge.redis_url) as client:  # without retries
            return client.execute_command(*words)

    def stored(self) -> Counter[str]:
        """Return what is in the inbox, by name and how often; nothing is taken out."""
        keys = self.keyspace()
        with keys.client:
            entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", keys.client.xrange(keys.key("inbox")))
            bodies = [fields[b"a"] for _, fields in entries]
        return Counter(alert.labels["alertname"] for body in bodies for alert in _alerts(body))

    def take(self) -> int:
        """Take all out of the inbox, as workers do; returns how many requests that were."""
        keys = self.keyspace()
        with keys.client:
            _, taken, _ = Inbox(keys).take(10_000)
            keys.client.xtrim(keys.key("inbox"), maxlen=0, approximate=False)
        return len(taken)

    def full(self) -> dict[str, dict[str, object]]:
        """Return what /readyz?full says."""
        answer: dict[str, dict[str, object]] = self.get("/readyz?full").json()
        return answer

    def get(self, path: str) -> httpx.Response:
        """Get a page."""
        return self.client.get(f"{self.bridge.url}{path}")

    def metric(self, name: str) -> float:
        """Return one metric of the receiver's own."""
        found = re.search(rf"^alert_bridge_{re.escape(name)} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        assert found, name
        return float(found[1])

    def all_arrived(self) -> None:
        """Wait until everything that was answered 202 is in the inbox, and nothing is left in a journal."""
        until(lambda: set(self.accepted) <= set(self.stored()), "everything accepted is in the inbox")
        until(lambda: not list(self.journal.rglob("*.seg")), "the journal is empty")

    def answered_in_time(self) -> None:
        """Check that nobody had to wait for the store."""
        assert self.slowest < IN_TIME, self.slowest
