"""Dead letters: deliveries and requests that need a person; kept until somebody deals with them."""

from __future__ import annotations

import zlib
from datetime import datetime
from enum import IntEnum
from typing import cast

import msgspec

from bridge.store.chain import Mark, Step
from bridge.store.deliveries import Letter, decode_letter
from bridge.store.keyspace import Keyspace

_encode = msgspec.msgpack.Encoder().encode


class LetterLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests' letters are kept; what is beyond is counted as shed, and the log has its reason."""

    requests: int = 1000
    bytes: int = 64 << 20
    """Of all requests together, compressed."""


LIMIT = LetterLimit()


class Replayed(IntEnum):
    """What became of the wish to have a delivery tried again."""

    DUE = 1
    UNKNOWN = 0
    """There is no such letter."""
    FORGOTTEN = -1
    """Its incident was resolved so long ago that it is kept no more."""


class DeadLetters:
    """The hash `dead`: name → letter; a delivery's letter is written by the script that settles it."""

    def __init__(self, keyspace: Keyspace, limit: LetterLimit = LIMIT) -> None:
        self._keys = keyspace
        self._limit = limit
        self._hash = keyspace.key("dead")

    def put(self, letter: Letter) -> bool:
        """Keep a request's letter; returns False, and counts it as shed, when there are too many already.

        One that is there already, because the request came again, keeps its first time and counts the attempts.
        """
        before = self.find(letter.name)
        if before is not None:
            letter = msgspec.structs.replace(letter, at=before.at, attempts=before.attempts + letter.attempts)
        packed = zlib.compress(_encode(letter))
        return bool(self._keys.run("letter_keep", letter.name, packed, self._limit.requests, self._limit.bytes))

    def all(self) -> list[Letter]:
        """Return the letters, oldest first."""
        values = cast("list[bytes]", self._keys.client.hvals(self._hash))
        return sorted((_decode(v) for v in values), key=lambda letter: letter.at)

    def find(self, name: str) -> Letter | None:
        """Return a letter by its name, or None."""
        value = cast("bytes | None", self._keys.client.hget(self._hash, name))
        return None if value is None else _decode(value)

    def drop(self, letter: Letter, now: datetime) -> bool:
        """Forget a letter, because a person says so; returns False if it was gone already."""
        incident = letter.id if letter.destination else ""
        line = Step(at=now, mark=Mark.DROPPED, where=letter.destination, text=letter.reason).line()
        return bool(self._keys.run("letter_drop", letter.name, incident, line))

    def replay(self, letter: Letter, now: datetime) -> tuple[Replayed, list[str]]:
        """Make a rejected delivery due now; returns what became of it, and the destinations to ring.

        Exactly-once holds as for any attempt: a rejection is known not to have been applied, or left a receipt.
        """
        letter = msgspec.structs.replace(letter, replayed=now)
        line = Step(at=now, mark=Mark.REPLAYED, where=letter.destination).line()
        done, rings = self._keys.run("letter_replay", letter.name, letter.id, letter.destination, _encode(letter), line)
        return Replayed(done), [r.decode() for r in rings]

    @property
    def shed(self) -> int:
        """How many could not be kept, for want of room, since there were none last."""
        return int(cast("bytes | None", self._keys.client.get(self._keys.key("dead:shed"))) or 0)

    def __len__(self) -> int:
        return self._keys.client.hlen(self._hash)


def _decode(value: bytes) -> Letter:
    return decode_letter(zlib.decompress(value) if value[:1] == b"x" else value)
