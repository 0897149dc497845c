"""Deliveries: what is due where, taken under fenced leases and settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from bridge.domain.alert import from_epoch
from bridge.domain.incident import Incident
from bridge.ports import Receipt
from bridge.store.incidents import decode_incident, decode_receipt, encode, receipts_of
from bridge.store.keyspace import Keyspace, at, pairs

LEASE = timedelta(seconds=30)
"""Longer than any sync may take (20 s), so that a live worker never loses its lease."""
SWEEP_LEASE = timedelta(milliseconds=900)


class Settled(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    WAIT = "wait"
    """It was not tried: not yet worth it, or the vendor must settle first."""
    RETRY = "retry"
    UNKNOWN = "unknown"
    DEAD = "dead"


class Doubt(StrEnum):
    """What an attempt leaves of the doubt about what stands outside."""

    KEEP = "keep"
    CLEAR = "clear"
    SET = "set"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One due delivery, taken: nobody else acts on it until the lease ends."""

    id: str
    destination: str
    token: bytes
    attempts: int
    """Attempts made before this one since it was last up to date."""
    doubt: datetime | None
    """When the first attempt whose outcome is unknown began."""
    lapsed: datetime | None
    """When the lease of an attempt ended that was never settled: its worker is gone, or was paused."""
    trace: str
    incident: Incident
    receipts: dict[str, Receipt]
    previous: Receipt | None
    """This destination's receipt of the incident before."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt."""

    outcome: Settled
    delay: timedelta = timedelta()
    doubt: Doubt = Doubt.CLEAR
    receipt: Receipt | None = None
    reason: str = ""
    blocked: bool = False


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: a delivery, or a request, that needs a person."""

    id: str
    destination: str = ""
    source: str = ""
    reason: str
    at: datetime
    attempts: int = 0
    body: str = ""
    """Of a request: its scrubbed body, clipped."""


class Deliveries:
    """The due index of each destination, `due:<destination>`, scored by time in ms."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace

    def take(self, destination: str, limit: int, lease: timedelta = LEASE) -> tuple[datetime, list[Lease]]:
        """Return the store's time and up to `limit` due deliveries under leases of that length."""
        ms = int(lease.total_seconds() * 1000)
        now, taken = self._keys.run("take_due", destination, limit, ms)
        return at(now), [_lease(destination, *row) for row in taken]

    def settle(self, lease: Lease, settlement: Settlement, now: datetime) -> tuple[bool, list[str]]:
        """Record what became of an attempt; returns False if the lease was lost, and the destinations to ring."""
        old, new = lease.receipts.get(lease.destination), settlement.receipt
        relinked = new is not None and new.link != (old.link if old else None)
        settled, rings = self._keys.run(
            "settle",
            lease.id,
            lease.destination,
            lease.token,
            settlement.outcome,
            int(settlement.delay.total_seconds() * 1000),
            settlement.doubt,
            encode(new) if new else b"",
            int(relinked),
            _letter(lease, settlement, now),
            int(settlement.blocked),
        )
        return bool(settled), [r.decode() for r in rings]

    def sweep(self, destinations: Sequence[str], lease: timedelta = SWEEP_LEASE) -> list[str]:
        """Return what a bell should be rung for: '' for the inbox, or a destination; [] if another just looked."""
        ms = int(lease.total_seconds() * 1000)
        return [name.decode() for name in self._keys.run("sweep", ms, *destinations)]

    def due(self, destination: str) -> int:
        """Return how many deliveries wait for a destination, due or not yet."""
        return int(self._keys.client.zcard(self._keys.key(f"due:{destination}")))


def _letter(lease: Lease, settlement: Settlement, now: datetime) -> bytes:
    if settlement.outcome is not Settled.DEAD:
        return b""
    return encode(
        Letter(
            id=lease.id,
            destination=lease.destination,
            reason=settlement.reason,
            at=now,
            attempts=lease.attempts + 1,
        )
    )


def _lease(
    destination: str,
    name: bytes,
    token: bytes,
    attempts: int,
    doubt: int,
    lapsed: int,
    flat: list[bytes],
    before: bytes | None,
) -> Lease:
    fields = pairs(flat)
    return Lease(
        id=name.decode(),
        destination=destination,
        token=token,
        attempts=attempts,
        doubt=from_epoch(doubt / 1000) if doubt else None,
        lapsed=from_epoch(lapsed / 1000) if lapsed else None,
        trace=fields.get("t", b"").decode(),
        incident=decode_incident(fields["i"]),
        receipts=receipts_of(fields),
        previous=decode_receipt(before) if before else None,
    )
