"""The inbox: alerts, and signs of life, that were accepted and not yet folded into what they are about."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from bridge.domain.alert import Alert, from_epoch
from bridge.domain.ping import Ping
from bridge.store.keyspace import Keyspace, at

ABANDONED = timedelta(seconds=30)
"""A taken entry that was not committed for so long belongs to whoever asks next."""


MOST = 128 * 1024
"""Bytes taken at once: those of a hundred alerts of Sentry. As Python objects they are ten times as many."""


class _Both(msgspec.Struct, frozen=True):
    """What one request said, where that is more than alerts: a map, and so never taken for a list of alerts."""

    alerts: list[Alert] = []
    pings: list[Ping] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Alert] | _Both).decode


class Taken(msgspec.Struct, frozen=True):
    """One request's alerts and pings, as taken from the inbox."""

    entry: bytes
    alerts: list[Alert]
    trace: str
    """Trace id of the request itself, for log lines."""
    pings: list[Ping] = []
    said_at: datetime | None = None
    """Of what did not come through the inbox and has no entry: when it was said."""

    @property
    def accepted_at(self) -> datetime:
        """When the store took it: the first half of the entry's id."""
        return self.said_at or from_epoch(int(self.entry.partition(b"-")[0]) / 1000)


def body_of(alerts: Sequence[Alert], pings: Sequence[Ping] = ()) -> bytes:
    """Return what one request said as it lies in the inbox."""
    return _encode(_Both(list(alerts), list(pings)) if pings else alerts)


def _taken(entry: bytes, body: bytes, trace: bytes) -> Taken:
    said = _decode(body)
    if isinstance(said, list):
        return Taken(entry, said, trace.decode())
    return Taken(entry, said.alerts, trace.decode(), said.pings)


class Inbox:
    """A Redis stream with one consumer group; an entry is what one request said."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._consumer = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"

    def put(self, alerts: Sequence[Alert], trace: str = "", pings: Sequence[Ping] = ()) -> str:
        """Write what one request said, all or nothing; returns the id of its entry."""
        fields: dict[Any, Any] = {"a": body_of(alerts, pings), "t": trace}
        return cast("bytes", self._keys.client.xadd(self._keys.key("inbox"), fields)).decode()

    def take(
        self, limit: int, abandoned: timedelta = ABANDONED, most: int = MOST
    ) -> tuple[datetime, list[Taken], bool]:
        """Return the store's time, up to `limit` entries, abandoned ones first, and whether there may be more.

        No more are taken after about `most` bytes; one that is larger comes alone, or with a few.
        """
        idle = int(abandoned.total_seconds() * 1000)
        now, entries, more = self._keys.run("take_alerts", self._consumer, limit, idle, most)
        return at(now), [_taken(*entry) for entry in entries if entry[1]], bool(more)

    def __len__(self) -> int:
        return int(self._keys.client.xlen(self._keys.key("inbox")))
