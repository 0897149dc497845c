"""The proof that what is accepted is worked on: again and again an entry of the bridge's own goes through the inbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from bridge.domain.alert import epoch_ms, from_epoch
from bridge.domain.ping import Ping
from bridge.store.inbox import Inbox
from bridge.store.keyspace import Keyspace

NAME = "self:proof"
EVERY = timedelta(seconds=15)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the newest proof; times are the store's."""

    entry: str = ""
    """The entry that is on its way through the inbox."""
    asked: datetime | None = None
    heard: datetime | None = None
    """When it was read; None until then."""
    proven: datetime | None = None
    """When the newest one that was read, and whose entry is done, was read."""


class Proofs:
    """The hash `proof`; written by one worker in turn, and by whoever reads the entry."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._hash = keyspace.key("proof")

    def ask(self, inbox: Inbox) -> None:
        """Note whether the last entry went through, and then put the next one into the inbox."""
        pipe = self._keys.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._hash)
        (seconds, micros), fields = pipe.execute()
        now, proof = from_epoch(seconds + micros / 1e6), proof_of(fields)
        if proof.entry and self._waits(proof.entry):
            return
        if proof.heard is not None:  # it is read before it is taken out of the inbox: without this, it was lost there
            self._write({"proven": proof.heard})
        self._keys.client.hdel(self._hash, "heard", "entry")
        self._write({"entry": inbox.put([], pings=[Ping(name=NAME, at=now)]), "asked": now})

    def heard(self, now: datetime) -> None:
        """Note that the entry was read."""
        self._write({"heard": now})

    def _waits(self, entry: str) -> bool:
        return bool(self._keys.client.xrange(self._keys.key("inbox"), entry, entry))

    def _write(self, fields: dict[str, str | datetime]) -> None:
        told = {k: v if isinstance(v, str) else str(epoch_ms(v)) for k, v in fields.items()}
        self._keys.client.hset(self._hash, mapping=cast("dict[Any, Any]", told))


def proof_of(fields: dict[bytes, bytes]) -> Proof:
    """Return what the hash says."""
    times = {k: from_epoch(int(v) / 1000) for k in ("asked", "heard", "proven") if (v := fields.get(k.encode()))}
    return Proof(entry=fields.get(b"entry", b"").decode(), **times)
