"""The inbox: alerts that were accepted and not yet folded into their incidents."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta

import msgspec

from bridge.domain.alert import Alert, from_epoch
from bridge.store.keyspace import Keyspace, at

ABANDONED = timedelta(seconds=30)
"""A taken entry that was not committed for so long belongs to whoever asks next."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Alert]).decode


class Taken(msgspec.Struct, frozen=True):
    """One request's alerts, as taken from the inbox."""

    entry: bytes
    alerts: list[Alert]
    trace: str
    """Trace id of the request itself, for log lines."""

    @property
    def accepted_at(self) -> datetime:
        """When the store took it: the first half of the entry's id."""
        return from_epoch(int(self.entry.partition(b"-")[0]) / 1000)


def body_of(alerts: list[Alert]) -> bytes:
    """Return one request's alerts as they lie in the inbox."""
    return _encode(alerts)


class Inbox:
    """A Redis stream with one consumer group; an entry is one request's alerts."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._consumer = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"

    def put(self, alerts: list[Alert], trace: str = "") -> None:
        """Write one request's alerts, all or none."""
        self._keys.client.xadd(self._keys.key("inbox"), {"a": body_of(alerts), "t": trace})

    def take(self, limit: int, abandoned: timedelta = ABANDONED) -> tuple[datetime, list[Taken]]:
        """Return the store's time and up to `limit` entries, abandoned ones first."""
        idle = int(abandoned.total_seconds() * 1000)
        now, entries = self._keys.run("take_alerts", self._consumer, limit, idle)
        return at(now), [Taken(entry, _decode(body), trace.decode()) for entry, body, trace in entries if body]

    def __len__(self) -> int:
        return int(self._keys.client.xlen(self._keys.key("inbox")))
