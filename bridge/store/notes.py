"""What only a receiver knows of itself, left for the workers in the hash `receivers`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

NOTE_EVERY = timedelta(seconds=5)
SILENT = timedelta(seconds=30)
"""A note that is older is of a receiver that is gone, or can't reach the store."""
FORGOTTEN = timedelta(hours=24)
"""Notes that are older are thrown away."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """How one receiver is; times are the store's."""

    name: str
    """`<host>/<folder of its journal>`."""
    at: datetime
    full: bool = False
    """Whether it sends senders away because the inbox is over its limit."""
    refused_at: datetime | None = None
    """When it last sent a sender away."""
    refused_by: str = ""
    """What was full then: "inbox", "waiting", "journal", or several with commas."""
    records: int = 0
    """Accepted requests in its journal."""
    held_since: datetime | None = None
    """Since when there has been something in its journal; None while it is empty."""
    usable: bool = True
    """False when its journal could not be written last time."""


encode_note = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Note).decode


def notes_of(fields: Mapping[bytes, bytes]) -> tuple[Note, ...]:
    """Return the receivers' notes, by name."""
    return tuple(sorted((_decode(value) for value in fields.values()), key=lambda note: note.name))


def current(notes: tuple[Note, ...], now: datetime) -> tuple[Note, ...]:
    """Return the notes that still say how things are; of a dead receiver only what lies in its journal."""
    living = tuple(note for note in notes if now - note.at < SILENT)
    orphans = (note for note in notes if note not in living and note.records)
    return (*living, *(msgspec.structs.replace(n, full=False, refused_at=None, usable=True) for n in orphans))
