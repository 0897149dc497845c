"""How the bridge itself is: what is blocked, what waits, what needs a person; and what was said about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from bridge.domain.alert import epoch_ms, from_epoch
from bridge.domain.canary import Flight
from bridge.store.flights import flight_of
from bridge.store.keyspace import Keyspace
from bridge.store.notes import Note, notes_of
from bridge.store.presence import Worker, workers_of
from bridge.store.proof import Proof, proof_of


class Blocked(msgspec.Struct, frozen=True):
    """A destination that can't be served."""

    since: datetime
    until: datetime
    """When it is tried again; now, while it is being tried."""
    reason: str


class Pulse(msgspec.Struct, frozen=True):
    """What is known of the outgoing heartbeat."""

    sent: datetime | None = None
    """When it last got through."""
    withheld: str = ""
    """Why it is not sent now; empty while it is."""


class Vital(msgspec.Struct, frozen=True, kw_only=True):
    """The bridge at one moment of the store's clock."""

    now: datetime
    blocked: dict[str, Blocked]
    """Destinations where deliveries wait, because the last attempt said nothing gets through."""
    letters: int
    shed: int = 0
    """Dead letters that there was no room for, since there were none last."""
    oldest: datetime | None
    """When the oldest request in the inbox was accepted."""
    entries: int = 0
    """Requests in the inbox."""
    bytes: int = 0
    """What they take in the store's memory; 0 where it does not tell."""
    owed: dict[str, datetime] = {}
    """Destination → since when it has not been told of what it should know."""
    swept: datetime | None = None
    """When a worker last looked for what waits."""
    workers: tuple[Worker, ...] = ()
    """Those of the last hour that did not say goodbye, the longest silent first."""
    receivers: tuple[Note, ...] = ()
    proof: Proof = Proof()
    """That what is accepted is worked on."""
    flight: Flight | None = None
    """The canary that is under way, or was last."""
    pulse: Pulse = Pulse()
    """The outgoing heartbeat."""
    check_due: datetime | None = None
    """When the next run of a check is, or was, due; None: there are no checks."""


class Said(msgspec.Struct, frozen=True):
    """What was said of a concern that is not over."""

    since: datetime
    at: datetime
    """When it was said last."""
    text: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Said).decode


class Vitals:
    """Reads the bridge's own state; the hash `concerns` remembers what was said."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._hash = keyspace.key("concerns")

    def turn(self, every: timedelta, what: str = "looked") -> bool:
        """Return whether it is this worker's turn at something: one in all workers per period."""
        ms = int(every.total_seconds() * 1000)
        return bool(self._keys.client.set(self._keys.key(what), "1", nx=True, px=ms))

    def read(self, destinations: Sequence[str]) -> Vital:
        """Return how the bridge is now, in one round trip."""
        pipe = self._keys.client.pipeline(transaction=False)
        pipe.time()
        pipe.hlen(self._keys.key("dead"))
        pipe.get(self._keys.key("dead:shed"))
        pipe.xrange(self._keys.key("inbox"), count=1)
        pipe.xlen(self._keys.key("inbox"))
        pipe.memory_usage(self._keys.key("inbox"))
        pipe.get(self._keys.key("swept"))
        pipe.hgetall(self._keys.key("workers"))
        pipe.hgetall(self._keys.key("receivers"))
        pipe.hgetall(self._keys.key("proof"))
        pipe.hgetall(self._keys.key("pulse"))
        pipe.get(self._keys.key("canary"))
        pipe.zrange(self._keys.key("checks:due"), 0, 0, withscores=True)
        for name in destinations:
            pipe.get(self._keys.key(f"probe:{name}"))
            pipe.pttl(self._keys.key(f"hold:{name}"))
            pipe.zcard(self._keys.key(f"due:{name}"))
            pipe.zrange(self._keys.key(f"owed:{name}"), 0, 0, withscores=True)
        found = pipe.execute(raise_on_error=False)
        size = found.pop(5)  # MEMORY is not allowed everywhere
        if broken := next((one for one in found if isinstance(one, Exception)), None):
            raise broken
        (seconds, micros), letters, shed, first, entries, swept, workers, receivers, *rest = found
        proof, pulse, flight, checks, *rest = rest
        now = from_epoch(seconds + micros / 1e6)
        rows = list(zip(destinations, rest[::4], rest[1::4], rest[2::4], rest[3::4], strict=True))
        return Vital(
            now=now,
            blocked={name: _blocked(probe, hold, now) for name, probe, hold, due, _ in rows if probe and due},
            letters=letters,
            shed=int(shed or 0),
            oldest=_accepted(first),
            entries=entries,
            bytes=size if isinstance(size, int) else 0,
            owed={name: from_epoch(owed[0][1] / 1000) for name, _, _, _, owed in rows if owed},
            swept=from_epoch(int(swept) / 1000) if swept else None,
            workers=workers_of(workers),
            receivers=notes_of(receivers),
            proof=proof_of(proof),
            pulse=_pulse(pulse),
            flight=flight_of(flight),
            check_due=from_epoch(checks[0][1] / 1000) if checks else None,
        )

    def note_pulse(self, *, sent: datetime | None = None, withheld: str) -> None:
        """Remember that the outgoing heartbeat was sent, or why it was not."""
        fields: dict[Any, Any] = {"withheld": withheld}
        if sent is not None:
            fields["sent"] = epoch_ms(sent)
        self._keys.client.hset(self._keys.key("pulse"), mapping=fields)

    def forget(self, receivers: Sequence[str]) -> None:
        """Throw the notes of receivers away."""
        if receivers:
            self._keys.client.hdel(self._keys.key("receivers"), *receivers)

    def said(self) -> dict[str, Said]:
        """Return what was said of each concern that is not over."""
        found = cast("dict[bytes, bytes]", self._keys.client.hgetall(self._hash))
        return {key.decode(): _decode(value) for key, value in found.items()}

    def note(self, concern: str, said: Said | None) -> None:
        """Remember what was said of a concern; None: it is over."""
        if said is None:
            self._keys.client.hdel(self._hash, concern)
        else:
            self._keys.client.hset(self._hash, concern, _encode(said))


def _blocked(probe: bytes, hold_ms: int, now: datetime) -> Blocked:
    since, _, reason = probe.decode().partition("|")
    return Blocked(from_epoch(int(since) / 1000), now + timedelta(milliseconds=max(0, hold_ms)), reason)


def _pulse(fields: dict[bytes, bytes]) -> Pulse:
    sent = fields.get(b"sent")
    return Pulse(from_epoch(int(sent) / 1000) if sent else None, fields.get(b"withheld", b"").decode())


def _accepted(first: Any) -> datetime | None:
    return from_epoch(int(first[0][0].partition(b"-")[0]) / 1000) if first else None
