"""Runs of recovery actions: looked for, begun under a fenced token and ended, each at most once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

import msgspec

from bridge.domain.alert import Alert, epoch_ms, from_epoch
from bridge.domain.recovery import Guard
from bridge.store.chain import Step
from bridge.store.heartbeats import DEAF, DEAF_AT_MOST
from bridge.store.inbox import body_of
from bridge.store.incidents import Record, record_of
from bridge.store.keyspace import Keyspace, at
from bridge.store.notes import notes_of

BEHIND = timedelta(seconds=5)
"""While the oldest request in the inbox is older, nothing is begun, whatever was read since the run was asked for."""
HOUR = timedelta(hours=1)


class State(StrEnum):
    """How a run stands."""

    OPEN = "open"
    """It was begun: what it does may happen now."""
    DONE = "done"
    DRY = "dry"
    """It was only said what would have been done."""
    UNSURE = "unsure"
    """It may have been done."""
    LOST = "lost"
    """Its worker is gone: it may have been done."""
    FAILED = "failed"
    """It was certainly not done."""
    HELD = "held"
    """The guard spoke against it."""
    SKIPPED = "skipped"
    """There was nothing left to do."""


class Begun(msgspec.Struct, frozen=True):
    """The newest run of an action for an incident."""

    spell: int
    token: str
    state: State
    due: datetime


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is due."""

    action: str
    id: str
    spell: int
    due: datetime
    now: datetime
    """The store's clock."""
    record: Record
    begun: Begun | None

    @property
    def lapsed(self) -> bool:
        """Whether it was begun by a worker that never ended it."""
        return self.begun is not None and self.begun.spell == self.spell and self.begun.state is State.OPEN


class Verdict(StrEnum):
    """What spoke for or against beginning a run."""

    BEGUN = "begun"
    CHANGED = "changed"
    """The incident was, meanwhile: look again."""
    BUSY = "busy"
    """The run for the spell of firing before is not ended."""
    BEHIND = "behind"
    COOL = "cool"
    HOUR = "hour"
    INCIDENT = "incident"


class Answer(msgspec.Struct, frozen=True):
    """The verdict, with what it is about."""

    verdict: Verdict
    token: str = ""
    number: int = 0
    """Runs in the hour, or for the incident."""
    at: datetime | None = None
    """Of the run before, or when the hour has room again."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ends."""

    state: State
    token: str = ""
    """Empty: it was never begun."""
    target: str = ""
    note: Alert | None = None
    """What people are told, through the inbox."""
    steps: Sequence[Step] = ()


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """What an action did last, for lists."""

    at: datetime
    incident: str
    state: State
    text: str


_encode = msgspec.msgpack.Encoder().encode
_decode_last = msgspec.msgpack.Decoder(Last).decode


class Runs:
    """The due index of each action, `due:recover:<action>`, and what is known of the newest run in each record."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace

    def look(self, action: str) -> Found | None:
        """Return the first run that is due, or whose worker is gone; None when there is none. Takes nothing."""
        now, row = self._keys.run("recovery_look", action)
        if not row:
            return None
        name, spell, due, flat = row
        fields = {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
        return Found(
            action=action,
            id=name.decode(),
            spell=spell,
            due=from_epoch(due / 1000),
            now=at(now),
            record=record_of(fields),
            begun=_begun(fields.get(f"act:{action}".encode())),
        )

    def cut_off(self, now: datetime) -> bool:
        """Return whether a resolution may be on its way past the inbox: in a receiver's journal, or with none heard.

        As after the store was away. What has been so for a quarter of an hour counts no more.
        """
        fields = cast("dict[bytes, bytes]", self._keys.client.hgetall(self._keys.key("receivers")))
        notes = [note for note in notes_of(fields) if now - note.at < DEAF_AT_MOST]
        return any(note.held_since for note in notes) or (bool(notes) and all(now - note.at > DEAF for note in notes))

    def begin(self, found: Found, guard: Guard, target: str, lease: timedelta, steps: Sequence[Step]) -> Answer:
        """Write that the run begins, unless the guard or what changed meanwhile speaks against it; all in one step."""
        verdict, *more = self._keys.run(
            "recovery_begin",
            found.action,
            found.id,
            found.spell,
            found.record.revision,
            epoch_ms(found.due),
            _ms(lease),
            ledger(found.action, guard),
            _digest(target),
            _ms(guard.cool_down),
            guard.per_hour,
            guard.per_incident,
            _ms(BEHIND),
            *(step.line() for step in steps),
        )
        return _answer(Verdict(verdict.decode()), more)

    def end(self, found: Found, guard: Guard, ending: Ending) -> bool:
        """Write how a run ended, and put the note into the inbox, in one step; False if somebody else had ended it."""
        last = Last(
            at=found.now, incident=found.id, state=ending.state, text=ending.note.summary if ending.note else ""
        )
        ended = self._keys.run(
            "recovery_settle",
            found.action,
            found.id,
            found.spell,
            ending.token,
            ending.state,
            ledger(found.action, guard),
            _digest(ending.target),
            body_of([ending.note]) if ending.note else b"",
            _encode(last) if ending.note else b"",
            *(step.line() for step in ending.steps),
        )
        return bool(ended)

    def last(self) -> dict[str, Last]:
        """Return what each action did last."""
        found = cast("dict[bytes, bytes]", self._keys.client.hgetall(self._keys.key("recovered")))
        return {name.decode(): _decode_last(value) for name, value in found.items()}

    def in_hour(self, action: str, guard: Guard, now: datetime) -> int:
        """Return how many runs of an action began in the last 60 minutes."""
        ran = self._keys.key(f"ran:{ledger(action, guard)}")
        return int(self._keys.client.zcount(ran, epoch_ms(now - HOUR), "+inf"))


def ledger(action: str, guard: Guard) -> str:
    """Return under which name runs are counted: a rehearsal uses up nothing of the real thing's budget."""
    return f"{action}{':dry' if guard.dry_run else ''}"


def _answer(verdict: Verdict, more: list[bytes | int]) -> Answer:
    match verdict, more:
        case Verdict.BEGUN, [bytes(token)]:
            return Answer(verdict, token=token.decode())
        case Verdict.COOL, [int(before)]:
            return Answer(verdict, at=from_epoch(before / 1000))
        case Verdict.HOUR, [int(number), int(free)]:
            return Answer(verdict, number=number, at=from_epoch(free / 1000))
        case Verdict.INCIDENT, [int(number)]:
            return Answer(verdict, number=number)
    return Answer(verdict)


def _begun(value: bytes | None) -> Begun | None:
    if value is None:
        return None
    spell, token, state, _, due, _ = value.decode().split(":")
    return Begun(int(spell), token, State(state), from_epoch(int(due) / 1000))


def _digest(target: str) -> str:
    return hashlib.blake2b(target.encode(), digest_size=12).hexdigest()


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
