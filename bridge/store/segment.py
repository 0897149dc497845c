"""Framing of the journal's files: mark, length, checksum, payload; what is damaged is found and named."""

from __future__ import annotations

import secrets
from typing import NamedTuple
from zlib import crc32

import msgspec

SUFFIX = ".seg"
MARK_BYTES = 8
HEAD_BYTES = MARK_BYTES + 8
"""Mark, length (4 bytes, little endian), CRC-32 of mark, length and payload (4 bytes, little endian)."""


class Entry(NamedTuple):
    """What one request is to leave in the store."""

    trace: str
    """Trace id of the request itself."""
    body: bytes
    """As it lies in the inbox."""
    kind: str = ""
    """Empty: alerts for the inbox. "letter": a dead letter."""


class Hole(NamedTuple):
    """Bytes of a segment that are no whole record."""

    start: int
    size: int


class Scan(NamedTuple):
    """What a segment holds."""

    entries: list[Entry]
    damaged: list[Hole]
    """With whole records behind them: something was lost."""
    torn: Hole | None
    """At the end: a record that was being written, and so never answered, or the last one damaged."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def new_mark() -> bytes:
    """Return what begins each record of one journal: unguessable, so that no payload can pose as a record."""
    return secrets.token_bytes(MARK_BYTES)


def frame(mark: bytes, entry: Entry) -> bytes:
    """Return one record."""
    payload = _encode(entry)
    front = mark + len(payload).to_bytes(4, "little")
    return b"".join((front, crc32(payload, crc32(front)).to_bytes(4, "little"), payload))


def scan(mark: bytes, data: bytes) -> Scan:
    """Return every record that is intact, in order, and where something is not; raises nothing.

    After damage it goes on at the next mark whose checksum holds: a flipped bit costs one record, whatever it hit.
    """
    entries: list[Entry] = []
    holes: list[Hole] = []
    at = 0
    while at < len(data):
        entry, end = _record(mark, data, at)
        if entry is None:
            _widen(holes, at, end)
        else:
            entries.append(entry)
        at = end
    torn = holes.pop() if holes and sum(holes[-1]) == len(data) else None
    return Scan(entries, holes, torn)


def _record(mark: bytes, data: bytes, at: int) -> tuple[Entry | None, int]:
    """Return the record at an offset and where it ends; None and where the next may begin if there is none."""
    front = data[at : at + HEAD_BYTES - 4]
    end = at + HEAD_BYTES + int.from_bytes(front[MARK_BYTES:], "little")
    if front.startswith(mark) and end <= len(data):
        payload = data[at + HEAD_BYTES : end]
        if crc32(payload, crc32(front)) == int.from_bytes(data[at + HEAD_BYTES - 4 : at + HEAD_BYTES], "little"):
            try:
                return _decode(payload), end
            except msgspec.DecodeError:  # whole, but of another version of the bridge
                return None, end
    following = data.find(mark, at + 1)
    return None, len(data) if following < 0 else following


def _widen(holes: list[Hole], start: int, end: int) -> None:
    if holes and sum(holes[-1]) == start:
        start = holes.pop().start
    holes.append(Hole(start, end - start))
