"""Deliveries: what is due where, taken under fenced leases and settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import cast

import msgspec

from bridge.domain.alert import from_epoch
from bridge.domain.canary import is_canary
from bridge.domain.incident import Incident
from bridge.ports import Pace, Receipt
from bridge.store.chain import Step
from bridge.store.incidents import decode_incident, decode_receipt, encode, packed_incident, receipts_of
from bridge.store.keyspace import Keyspace, at, pairs

LEASE = timedelta(seconds=30)
"""Longer than any sync may take (20 s), so that a live worker never loses its lease."""
UNPACED = Pace(per_second=0, burst=0)
DELIVERIES_LIMIT = 10_000
"""Dead letters of deliveries, at the most; about half a kilobyte each."""
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
    revision: int
    """Of the record as it was taken."""
    body: bytes
    """The incident as it is stored."""
    incident: Incident
    receipts: dict[str, Receipt]
    previous: Receipt | None
    """This destination's receipt of the incident before."""
    standing_in: str = ""
    """The destination that refused it and whose fallback this one is."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt."""

    outcome: Settled
    delay: timedelta = timedelta()
    doubt: Doubt = Doubt.CLEAR
    receipt: Receipt | None = None
    reason: str = ""
    hold: timedelta = timedelta()
    """How long the whole destination is left alone: nothing gets through there."""
    found: bool = False
    """True when the look-up after an interruption found something outside."""


class Ended(msgspec.Struct, frozen=True):
    """An attempt that ended, and what is to be recorded of it."""

    lease: Lease
    settlement: Settlement
    now: datetime
    """The store's time when it was taken."""
    steps: Sequence[Step] = ()
    """For the incident's chain."""
    fallback: str = ""
    """Who is to hear of it when this was a refusal, the first one."""


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
    last: datetime | None = None
    """When it was refused, or came, last; `at` is the first time."""
    headers: dict[str, str] = {}
    """Of a request: its headers, scrubbed."""
    cut: bool = False
    """True when the body is not whole, so that it can't be parsed again."""
    replayed: datetime | None = None
    """When somebody asked for it to be tried again; None once that was refused."""

    @property
    def name(self) -> str:
        """What it is called in lists and commands: unique among letters."""
        return f"{self.id}@{self.destination}" if self.destination else self.id


decode_letter = msgspec.msgpack.Decoder(Letter).decode


class Recorded(IntEnum):
    """What the store made of a settlement; false when it was too late."""

    LOST = 0
    """Another attempt took over."""
    DONE = 1
    SHED = 2
    """Done, but there is no room for one more dead letter."""


class Swept(msgspec.Struct, frozen=True):
    """What a sweep found."""

    rings: list[str]
    """What a bell should be rung for: '' for the inbox, or a destination."""
    prove: bool
    """Whether the time of the next proof has come, and nobody else was told so."""


class Turned(msgspec.Struct, frozen=True):
    """What came of one turn at a destination."""

    now: datetime
    """The store's time."""
    leases: list[Lease]
    recorded: list[Recorded]
    """Of each attempt that ended: whether its lease still held."""
    rings: list[str]
    """Destinations to ring for."""


class Waiting(msgspec.Struct, frozen=True):
    """A delivery that is due, now or later."""

    due: datetime
    blocked_for: timedelta | None
    """How long the whole destination is left alone; None when it is served."""
    blocked_by: str
    """Why, in the vendor's words."""


class Deliveries:
    """The due index of each destination, `due:<destination>`, scored by time in ms."""

    def __init__(self, keyspace: Keyspace, letters: int = DELIVERIES_LIMIT) -> None:
        self._keys = keyspace
        self._letters = letters
        self.packs = False
        """Whether an incident that was told is put away packed: not while a worker lives that can't read it."""

    def turn(
        self,
        destination: str,
        limit: int,
        ended: Sequence[Ended] = (),
        *,
        under_way: int = 0,
        lease: timedelta = LEASE,
        pace: Pace = UNPACED,
    ) -> Turned:
        """Record what became of attempts, then take up to `limit` due deliveries, as the pace allows, under new leases.

        `under_way` attempts more the caller has not settled yet: a destination that is probed gets one at a time.
        """
        ms, interval = int(lease.total_seconds() * 1000), round(1000 / pace.per_second) if pace.per_second else 0
        settled = [value for one in ended for value in self._settled(one)]
        own = (destination, limit, under_way, ms, interval, pace.burst, self._letters)
        now, taken, codes, rings = self._keys.run("turn", *own, *settled)
        leases = [_lease(destination, *row) for row in taken]
        return Turned(at(now), leases, [Recorded(code) for code in codes], [ring.decode() for ring in rings])

    def take(
        self, destination: str, limit: int, lease: timedelta = LEASE, pace: Pace = UNPACED
    ) -> tuple[datetime, list[Lease]]:
        """Return the store's time and up to `limit` due deliveries, as the pace allows, under leases of that length."""
        turned = self.turn(destination, limit, lease=lease, pace=pace)
        return turned.now, turned.leases

    def settle(
        self, lease: Lease, settlement: Settlement, now: datetime, steps: Sequence[Step] = (), fallback: str = ""
    ) -> tuple[Recorded, list[str]]:
        """Record what became of one attempt; returns whether the lease still held, and the destinations to ring."""
        turned = self.turn(lease.destination, 0, [Ended(lease, settlement, now, steps, fallback)])
        return turned.recorded[0], turned.rings

    def _settled(self, ended: Ended) -> Iterator[str | bytes | int]:
        """Yield what the script is told of one attempt."""
        lease, settlement = ended.lease, ended.settlement
        old, new = lease.receipts.get(lease.destination), settlement.receipt
        yield from (lease.id, lease.token, settlement.outcome, int(settlement.delay.total_seconds() * 1000))
        yield from (settlement.doubt, encode(new) if new else b"")
        yield int(new is not None and new.link != (old.link if old else None))
        yield self._letter(lease, settlement, ended.now)
        yield int(settlement.hold.total_seconds() * 1000)
        yield from (ended.fallback, " ".join(settlement.reason.split()))
        packs = self.packs and settlement.outcome is Settled.DONE
        yield from (lease.revision, packed_incident(lease.body) if packs else b"", len(ended.steps))
        yield from (step.line() for step in ended.steps)

    def sweep(
        self, destinations: Sequence[str], prove_every: timedelta = timedelta(), lease: timedelta = SWEEP_LEASE
    ) -> Swept:
        """Return what a bell should be rung for; nothing if another worker just looked.

        One question for all that is looked for each second: an idle bridge does little else.
        """
        times = (int(span.total_seconds() * 1000) for span in (lease, prove_every))
        rings, prove = self._keys.run("sweep", *times, *destinations)
        return Swept([name.decode() for name in rings], prove=bool(prove))

    def waiting(self, incident_id: str, destinations: Sequence[str]) -> dict[str, Waiting]:
        """Return where an incident waits to be told, until when, and what holds up the whole destination."""
        pipe = self._keys.client.pipeline(transaction=False)
        for name in destinations:
            pipe.zscore(self._keys.key(f"due:{name}"), incident_id)
            pipe.get(self._keys.key(f"probe:{name}"))
            pipe.pttl(self._keys.key(f"hold:{name}"))
        found = pipe.execute()
        rows = zip(destinations, found[::3], found[1::3], found[2::3], strict=True)
        return {name: _waiting(due, probe or b"", hold) for name, due, probe, hold in rows if due is not None}

    def due(self, destination: str) -> int:
        """Return how many deliveries wait for a destination, due or not yet."""
        return int(self._keys.client.zcard(self._keys.key(f"due:{destination}")))

    def _letter(self, lease: Lease, settlement: Settlement, now: datetime) -> bytes:
        """Return the dead letter of a refusal; one that is there already has its attempts counted in."""
        if settlement.outcome is not Settled.DEAD or is_canary(lease.id):
            return b""
        name = f"{lease.id}@{lease.destination}"
        known = cast("bytes | None", self._keys.client.hget(self._keys.key("dead"), name))
        before = decode_letter(known) if known else None
        letter = Letter(
            id=lease.id,
            destination=lease.destination,
            reason=settlement.reason,
            at=before.at if before else now,
            attempts=(before.attempts if before else 0) + lease.attempts + 1,
            last=now,
        )
        return encode(letter)


def _waiting(due: float, probe: bytes, hold_ms: int) -> Waiting:
    blocked = timedelta(milliseconds=hold_ms) if hold_ms > 0 else None
    return Waiting(from_epoch(due / 1000), blocked, probe.decode().partition("|")[2])


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
        revision=int(fields["v"]),
        body=fields["i"],
        incident=decode_incident(fields["i"]),
        receipts=receipts_of(fields),
        previous=decode_receipt(before) if before else None,
        standing_in=fields.get(f"f:{destination}", b"").decode(),
    )
