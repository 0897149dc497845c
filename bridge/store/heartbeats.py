"""Heartbeats: what is known of each, and when to look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec

from bridge.domain.alert import Alert, epoch_ms, from_epoch
from bridge.domain.heartbeat import Plan, Record
from bridge.store.inbox import body_of
from bridge.store.keyspace import Keyspace
from bridge.store.notes import NOTE_EVERY, current, notes_of

TURN = timedelta(milliseconds=900)
PAUSE = timedelta(seconds=3)
"""Nobody looked for so long: the store may have been away, and pings are in the receivers' journals."""
AWAY = timedelta(seconds=10)
"""Nobody looked for so long: the bridge, or its store, was away."""
CLEAN_RUN = timedelta(minutes=15)
"""After so long without an absence the next one is the first of its kind."""
DEAF, DEAF_AT_MOST = timedelta(seconds=15), timedelta(minutes=15)
"""No receiver was heard for so long: no ping can come in. Beyond the latter that is no excuse any more."""
AT_ONCE = 200

_encode = msgspec.msgpack.Encoder().encode
_record = msgspec.msgpack.Decoder(Record).decode
_plan = msgspec.msgpack.Decoder(Plan).decode


class Kept(msgspec.Struct, frozen=True):
    """What the store holds on one heartbeat."""

    plan: Plan
    record: Record
    revision: int


class Look(msgspec.Struct, frozen=True):
    """What a look found."""

    now: datetime
    resumed: datetime
    """Since when somebody looks without an absence; long ago if that no longer matters."""
    pause: tuple[datetime, datetime]
    """When looking paused last, and until when."""
    waiting: datetime | None
    """Since when something waits in the inbox or in a receiver's journal; None if nothing does."""
    names: Sequence[str]
    """Whose time has come."""


class Heartbeats:
    """The records `beat:<name>` and their index by time `beats`."""

    def __init__(self, keyspace: Keyspace, plans: Sequence[Plan] = ()) -> None:
        self._keys = keyspace
        self.plans = {plan.name: plan for plan in plans}
        """By the config of this process."""
        self.settled = False
        """Whether this process has brought its plans in."""

    def load(self, names: Sequence[str]) -> dict[str, Kept]:
        """Return what is known of each; who is not watched is left out."""
        pipe = self._keys.client.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(self._keys.key(f"beat:{name}"))
        found = zip(names, pipe.execute() if names else [], strict=True)
        return {name: Kept(_plan(h[b"p"]), _record(h[b"r"]), int(h[b"v"])) for name, h in found if h}

    def save(
        self,
        kept: Kept,
        deadline: datetime | None,
        said: Sequence[Alert] = (),
        counts: Mapping[str, int] | None = None,
    ) -> bool:
        """Write one, and what is said of it into the inbox; False if it is not what `kept.revision` was any more."""
        score = f"{deadline.timestamp() * 1000:.0f}" if deadline else "+inf"
        return self._write(kept, _encode(kept.record), score, said, counts or {})

    def forget(self, kept: Kept, said: Alert | None) -> bool:
        """Remove one that is watched no longer; False as in `save`."""
        return self._write(kept, b"", "", [said] if said else [], {})

    def look(self) -> Look | None:
        """Return whose time has come; None if another worker has looked within the second."""
        notes = notes_of(cast("dict[bytes, bytes]", self._keys.client.hgetall(self._keys.key("receivers"))))
        heard = max((epoch_ms(note.at) for note in notes), default=0)
        turn, pause, away, clean, deaf, longest = (
            int(span.total_seconds() * 1000) for span in (TURN, PAUSE, AWAY, CLEAN_RUN, DEAF, DEAF_AT_MOST)
        )
        found = self._keys.run("beat_look", turn, pause, away, clean, heard, deaf, longest, AT_ONCE)
        if not found:
            return None
        *times, names = found
        now, resumed, paused, stirred, oldest = (from_epoch(ms / 1000) for ms in times)
        held = [note.held_since - NOTE_EVERY for note in current(notes, now) if note.held_since]
        waiting = min([*held, *([oldest] if oldest > from_epoch(0) else [])], default=None)
        return Look(now, resumed, (paused, stirred), waiting, [name.decode() for name in names])

    def names(self) -> list[str]:
        """Return the names of all that are watched."""
        found = cast("list[bytes]", self._keys.client.zrange(self._keys.key("beats"), 0, -1))
        return [name.decode() for name in found]

    def resumed(self) -> datetime:
        """Return since when somebody looks without an absence; long ago if that no longer matters."""
        since = cast("bytes | None", self._keys.client.hget(self._keys.key("beat-watch"), "since"))
        return from_epoch(int(since or 0) / 1000)

    def now(self) -> datetime:
        """Return the store's time."""
        seconds, micros = self._keys.client.time()
        return from_epoch(seconds + micros / 1e6)

    def _write(self, kept: Kept, record: bytes, score: str, said: Sequence[Alert], counts: Mapping[str, int]) -> bool:
        statement = body_of(said) if said else b""
        flat = [part for name, number in counts.items() for part in (name, number)]
        plan = _encode(kept.plan)
        written = self._keys.run("beat_save", kept.plan.name, kept.revision, record, plan, score, statement, *flat)
        return bool(written)
