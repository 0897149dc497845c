"""Incidents: read for a batch of alerts, committed by compare-and-set."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec

from bridge.domain.canary import is_canary
from bridge.domain.incident import Incident
from bridge.ports import Receipt
from bridge.store.chain import Repeated, Step, chain_of, packed, repeated_of
from bridge.store.keyspace import Keyspace

REMEMBER_FOR = timedelta(days=7)
"""For so long at least the ids of counted statements are known; some 50 bytes each."""
SEEN_SETS = 3
"""Sets of ids, each of half that time: the one being written, and two that make up the whole time before it."""

CANARIES_KEPT = 24 * 3600 * 1000
"""Milliseconds for which a canary that is over is kept, should its destination be down for so long."""

_TELLING = frozenset({b"r:", b"a:", b"f:"})
"""Fields of a record that are there when a destination knows of the incident, or is on the way to."""

_decode_incident = msgspec.msgpack.Decoder(Incident).decode
decode_receipt = msgspec.msgpack.Decoder(Receipt).decode
encode = msgspec.msgpack.Encoder().encode
_PACKED = b"x"
"""How zlib's streams begin (RFC 1950: deflate, 32 KiB); a plain incident begins with msgpack's sign of an array."""


class Record(msgspec.Struct, frozen=True):
    """What the store holds on one incident."""

    incident: Incident
    revision: int
    receipts: dict[str, Receipt]
    attempted: frozenset[str]
    """Destinations with an attempt under way or waiting to be repeated."""
    rejected: frozenset[str] = frozenset()
    """Destinations that refused it for good: mere repeats don't make it due there again."""
    standing_in: frozenset[str] = frozenset()
    """Destinations that hear of it because another one, whose `fallback` they are, refused it."""
    trail: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    """The chain of decisions and the duplicates, as stored; read them as `chain` and `duplicates`."""

    @property
    def listed(self) -> bool:
        """Whether lists of incidents have it: not what never fired, and no canary."""
        return self.incident.count > 0 and not is_canary(self.incident.fingerprint)

    @property
    def chain(self) -> tuple[Step, ...]:
        """What was decided about the incident, oldest first."""
        return chain_of(self.trail[0])

    @property
    def duplicates(self) -> Repeated | None:
        """Statements that came again after they had been counted; None if there were none."""
        return repeated_of(self.trail[1], self.trail[2])


class Known(msgspec.Struct, frozen=True):
    """What ingest has to know of an incident: of its receipts only whose they are."""

    incident: Incident
    revision: int
    told: frozenset[str] = frozenset()
    """Destinations that know of it, or are on the way to: by a receipt, an attempt, or as another one's `fallback`."""
    rejected: frozenset[str] = frozenset()
    """As in `Record`."""


class Due(msgspec.Struct, frozen=True):
    """A destination that is to hear of an incident."""

    destination: str
    delay: timedelta


class Wanted(msgspec.Struct, frozen=True):
    """A recovery action that is to be tried against an incident."""

    action: str
    delay: timedelta
    spell: int
    """Which spell of firing it is for: there is one run for each."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One incident's part of a commit."""

    fingerprint: str
    revision: int
    """As read; 0 when there was none."""
    incident: Incident | None
    """None when nothing changed."""
    dues: list[Due]
    event_ids: list[str]
    back: bool = False
    """It fires though it did not when it was read: it is kept for good again."""
    trace: str = ""
    """Trace id of the newest request that told of it, for the log lines of its deliveries."""
    steps: list[Step] = []
    """What is added to the chain of decisions."""
    repeated: Repeated | None = None
    """Duplicates in this batch."""
    recoveries: list[Wanted] = []


class Incidents:
    """The records `i:<fingerprint>` and the sets of event ids `seen:<seconds>:<number>`."""

    def __init__(
        self, keyspace: Keyspace, retention: timedelta = timedelta(days=30), remember_for: timedelta = REMEMBER_FOR
    ) -> None:
        self._keys = keyspace
        self._half = remember_for // 2
        self._retention = int(retention.total_seconds() * 1000)

    def load(
        self, fingerprints: Sequence[str], event_ids: Sequence[str], now: datetime
    ) -> tuple[dict[str, Known], set[str]]:
        """Return the newest incident of each problem that has one, and which event ids were counted before."""
        sets = [self._seen(now - back * self._half) for back in range(SEEN_SETS)]
        found, seen = self._keys.run("look", len(fingerprints), *fingerprints, *sets, *event_ids)
        known = {f: _known(*one) for f, one in zip(fingerprints, found, strict=True) if one}
        return known, {event_ids[i - 1] for i in seen}

    def commit(
        self,
        items: Sequence[Item],
        entries: Sequence[tuple[bytes, Sequence[int]]],
        counts: dict[str, int],
        now: datetime,
    ) -> tuple[set[int], list[str]]:
        """Write all of it at once, but for the items whose incident was changed by somebody else meanwhile.

        `entries` are inbox entries with the indexes of the items that hold their alerts: they are done when all of
        those were written. Returns the indexes in conflict (load and advance them again) and the destinations to
        ring.
        """
        bodies = [encode(item.incident) if item.incident else b"" for item in items]
        batch = {
            "seen": self._seen(now),
            "seen_ttl": int(SEEN_SETS * self._half.total_seconds()),
            "items": [self._packed(item) for item in items],
            "entries": [(entry.decode(), [i + 1 for i in indexes]) for entry, indexes in entries],
            "counts": list(counts.items()),
        }
        conflicts, rings = self._keys.run("commit", encode(batch), *bodies)
        return {i - 1 for i in conflicts}, [r.decode() for r in rings]

    def find(self, incident_id: str) -> Record | None:
        """Return one incident by its id, or the newest of a problem by its fingerprint; None if unknown."""
        fingerprint, _, number = incident_id.partition("-")
        for name in (f"i:{fingerprint}", f"i:{fingerprint}:{number}"):
            record = self._read(self._keys.key(name))
            if record and number in ("", str(record.incident.number)):
                return record
        return None

    def each(self) -> Iterator[Record]:
        """Yield every incident that is kept, in no order."""
        for key in self._keys.client.scan_iter(self._keys.key("i:*"), count=1000):
            if record := self._read(key):
                yield record

    def _read(self, key: str | bytes) -> Record | None:
        fields = cast("dict[bytes, bytes]", self._keys.client.hgetall(key))
        return record_of(fields) if fields else None

    def _seen(self, at: datetime) -> str:
        seconds = int(self._half.total_seconds())  # in the name: sets of another length hold other times
        return self._keys.key(f"seen:{seconds}:{int(at.timestamp()) // seconds}")

    def _packed(self, item: Item) -> tuple[object, ...]:
        incident = item.incident
        retention = min(self._retention, CANARIES_KEPT) if is_canary(item.fingerprint) else self._retention
        ttl = (-1 if item.back else 0) if incident is None or incident.open else retention
        dues = [(d.destination, int(d.delay.total_seconds() * 1000)) for d in item.dues]
        number = incident.number if incident else 0
        ids = item.event_ids
        lines = [step.line() for step in item.steps]
        repeated = packed(item.repeated) if item.repeated else (0,)
        wanted = [(w.action, int(w.delay.total_seconds() * 1000), w.spell) for w in item.recoveries]
        known = (item.fingerprint, number, item.revision, ttl, dues, ids, self._retention, item.trace)
        return (*known, lines, repeated, wanted)


def decode_incident(body: bytes) -> Incident:
    """Return an incident as stored, plain or packed."""
    return _decode_incident(zlib.decompress(body) if body.startswith(_PACKED) else body)


def packed_incident(body: bytes) -> bytes:
    """Return a stored incident in some 60 % of its bytes; nothing if it is packed already, or gains nothing by it."""
    if body.startswith(_PACKED):
        return b""
    packer = zlib.compressobj(1, strategy=zlib.Z_FIXED)  # codes of its own: 75 bytes less, 6 µs more for each reading
    short = packer.compress(body) + packer.flush()
    return short if len(short) < len(body) else b""


def record_of(fields: dict[bytes, bytes]) -> Record:
    """Return the record that a HGETALL answer holds."""
    of: dict[bytes, dict[str, bytes]] = {b"r:": {}, b"a:": {}, b"x:": {}, b"f:": {}}
    for name, value in fields.items():
        if name[:2] in of:
            of[name[:2]][name[2:].decode()] = value
    return Record(
        incident=decode_incident(fields[b"i"]),
        revision=int(fields[b"v"]),
        receipts={destination: decode_receipt(value) for destination, value in of[b"r:"].items()},
        attempted=frozenset(of[b"a:"]),
        rejected=frozenset(of[b"x:"]),
        standing_in=frozenset(of[b"f:"]),
        trail=(fields.get(b"y", b""), fields.get(b"d", b""), fields.get(b"l", b"")),
    )


def _known(revision: bytes, incident: bytes, names: Sequence[bytes]) -> Known:
    if not names:
        return Known(decode_incident(incident), int(revision))
    told = frozenset(name[2:].decode() for name in names if name[:2] in _TELLING)
    rejected = frozenset(name[2:].decode() for name in names if name[:2] == b"x:")
    return Known(decode_incident(incident), int(revision), told, rejected)


def receipts_of(named: dict[str, bytes]) -> dict[str, Receipt]:
    """Return the receipts in a record's fields by destination."""
    return {k[2:]: decode_receipt(v) for k, v in named.items() if k.startswith("r:")}
