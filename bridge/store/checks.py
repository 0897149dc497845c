"""Checks: when each one runs next, who runs it now, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec

from bridge.domain.alert import Alert, from_epoch
from bridge.domain.checkup import Record
from bridge.store.inbox import body_of
from bridge.store.keyspace import Keyspace, at

REMOVED_AFTER = timedelta(minutes=2)
"""A check that no worker had in its config for so long is gone from all of them, and not just from the new ones."""
FIRST_WITHIN = timedelta(minutes=1)
"""The first run of a check is at a moment of its own within this, or within its interval if that is shorter."""
OVERDUE = timedelta(minutes=1)
"""A run that is so late is one that no worker takes."""
GRACE = timedelta(seconds=2)
"""A run that is not settled so long after its time-out is lost with its worker."""
REPEATS_LIMIT = 10_000
"""Entries in the inbox above which mere repeats are left unsaid: nobody reads them, and the store is for the news."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class Timetable(msgspec.Struct, frozen=True, kw_only=True):
    """When a check runs: a fixed grid of slots, which every worker works out alike from its name and interval."""

    name: str
    every: timedelta
    timeout: timedelta

    def slots(self) -> tuple[int, int]:
        """Return the interval and the phase of the slots, in ms since the epoch: spread by the name's hash."""
        every = _ms(self.every)
        return every, int.from_bytes(blake2b(self.name.encode(), digest_size=8).digest()) % every

    def enrolled(self) -> tuple[str | int, ...]:
        """Return what the store is told when a worker has it."""
        every, phase = self.slots()
        return self.name, every, phase, phase % _ms(min(self.every, FIRST_WITHIN))

    def taken(self) -> tuple[str | int, ...]:
        """Return what the store is told when a run of it is taken."""
        return (self.name, *self.slots(), _ms(self.timeout + GRACE))


class Taken(msgspec.Struct, frozen=True):
    """A run that this worker, and no other one, is to do now."""

    name: str
    token: str
    at: datetime
    """When it was taken, by the store's clock."""
    record: Record


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    record: Record
    said: Alert | None = None
    repeats: bool = False


class Standing(msgspec.Struct, frozen=True):
    """A check as the store knows it."""

    record: Record
    next_run: datetime | None
    """None when no worker has run it yet."""


class Tally(msgspec.Struct, frozen=True):
    """All checks together."""

    number: int
    down: int
    overdue: timedelta
    """By how much the run that waits longest is late; much more than a second: no worker takes them."""


class Checks:
    """`checks:due` and the hashes beside it; each change one script."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace

    def enroll(self, tables: Iterable[Timetable]) -> tuple[datetime, list[tuple[str, bytes]]]:
        """Say that this worker has these checks; returns the time, and name and record of those that nobody has."""
        told = [part for table in tables for part in table.enrolled()]
        now, gone = self._keys.run("checks_enroll", _ms(REMOVED_AFTER), *told)
        return at(now), [(name.decode(), record or b"") for name, record in gone]

    def due(self, limit: int) -> tuple[list[str], timedelta | None]:
        """Return up to `limit` names whose run is due, and how long until the next one after now, if there is one."""
        wait, names = self._keys.run("checks_due", limit)
        return [name.decode() for name in names], timedelta(milliseconds=wait) if wait >= 0 else None

    def take(self, tables: Iterable[Timetable]) -> list[Taken]:
        """Take those of the runs that are due still; each is this worker's until its time-out is well over."""
        now, taken = self._keys.run("checks_take", *(part for table in tables for part in table.taken()))
        return [Taken(name.decode(), token.decode(), at(now), known(record)) for name, token, record in taken]

    def settle(self, run: Taken, settled: Settled) -> tuple[bool, bool]:
        """Note what a run saw and put what it says into the inbox, in one step.

        Returns whether it was still the current run (else nothing is done), and whether to ring for the inbox.
        """
        last, said = settled.record.last, settled.said
        answer = self._keys.run(
            "checks_settle",
            run.name,
            run.token,
            _encode(settled.record),
            "ok" if last is None or last.fault is None else last.fault,
            int(settled.record.down),
            b"" if said is None else body_of([said]),
            "" if said is None else said.trace_id,
            REPEATS_LIMIT if settled.repeats else 0,
        )
        return answer > 0, answer == 2

    def retire(self, name: str, record: bytes, said: Alert | None) -> bool:
        """Forget a check that `enroll` returned; returns False if somebody has it again."""
        body = b"" if said is None else body_of([said])
        return bool(self._keys.run("checks_retire", name, _ms(REMOVED_AFTER), record, body))

    def any(self) -> bool:
        """Return whether the store knows of a check."""
        return bool(self._keys.client.exists(self._keys.key("checks:claimed")))

    def standing(self, names: Sequence[str]) -> dict[str, Standing]:
        """Return what is known of these checks."""
        if not names:
            return {}
        pipe = self._keys.client.pipeline(transaction=False)
        pipe.hmget(self._keys.key("checks:record"), list(names))
        pipe.zmscore(self._keys.key("checks:due"), list(names))
        records, scores = pipe.execute()
        rows = zip(names, records, scores, strict=True)
        return {n: Standing(known(r), None if s is None else from_epoch(s / 1000)) for n, r, s in rows}

    def tally(self) -> Tally:
        """Return how all checks are together, in one round trip."""
        pipe = self._keys.client.pipeline(transaction=False)
        pipe.time()
        pipe.zcard(self._keys.key("checks:due"))
        pipe.scard(self._keys.key("checks:down"))
        pipe.zrange(self._keys.key("checks:due"), 0, 0, withscores=True)
        (seconds, micros), number, down, first = pipe.execute()
        late = seconds * 1000 + micros / 1000 - first[0][1] if first else 0
        return Tally(number, down, timedelta(milliseconds=max(0, late)))


def known(record: bytes | None) -> Record:
    """Return a record as stored; a new one if there is none, or if a newer version of the bridge wrote it."""
    try:
        return _decode(record) if record else Record()
    except msgspec.DecodeError:
        return Record()


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
