"""What only this receiver knows of itself, left in the store for the workers, who tell people."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from datetime import datetime

import msgspec

from bridge.store.notes import NOTE_EVERY, Note, encode_note
from bridge.web.aside import Aside
from bridge.web.inlet import Inlet

_CHANGING = ("full", "refused_by", "usable")
"""What is worth a note at once."""


class Notice:
    """Writes the receiver's note: now and then, and at once when something is amiss."""

    def __init__(self, inlet: Inlet, aside: Aside, shed: Counter[str]) -> None:
        self._inlet, self._aside, self._shed = inlet, aside, shed
        self._counted: Counter[str] = Counter()
        self._refused: tuple[datetime, str] | None = None
        self._held_since: datetime | None = None
        self._left: Note | None = None
        self._adopted = 0
        self._next = 0.0

    async def leave(self) -> None:
        """Look at the receiver, and leave a note if it is time for one; raises nothing."""
        now = self._inlet.now
        if now is None:
            return
        note = self._note(now)
        changed = self._left is None or any(getattr(note, f) != getattr(self._left, f) for f in _CHANGING)
        clock = asyncio.get_running_loop().time()
        if changed or clock >= self._next:
            await self._inlet.leave_note(note.name, encode_note(note))
            self._left, self._next = note, clock + NOTE_EVERY.total_seconds()
        for dead in self._aside.journal.adopted[self._adopted :]:
            self._adopted += 1  # what lay in its journal is in this one's, and this one's note says so
            await self._inlet.leave_note(_name(dead), None)

    async def take_away(self) -> None:
        """Take the note away, for this receiver ends; not while its journal holds something that is to be missed."""
        if self._left is not None and not self._aside.journal.records:
            await self._inlet.leave_note(self._left.name, None)

    def _note(self, now: datetime) -> Note:
        journal = self._aside.journal
        if more := self._shed - self._counted:
            self._refused = (now, ",".join(sorted(more)))
            self._counted = self._shed.copy()
        self._held_since = (self._held_since or now) if journal.records else None
        note = Note(
            name=_name(journal.name),
            at=now,
            full=self._inlet.full,
            records=journal.records,
            held_since=self._held_since,
            usable=not self._aside.trouble,
        )
        if self._refused is None:
            return note
        return msgspec.structs.replace(note, refused_at=self._refused[0], refused_by=self._refused[1])


def _name(folder: str) -> str:
    return f"{socket.gethostname()}/{folder}"
