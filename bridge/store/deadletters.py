"""Dead letters: deliveries and requests that need a person; kept until somebody deals with them."""

from __future__ import annotations

from typing import cast

import msgspec

from bridge.store.deliveries import Letter
from bridge.store.keyspace import Keyspace

LIMIT = 1000
"""Requests kept at the most; beyond it they are counted as shed, and the log has their reason."""

_decode = msgspec.msgpack.Decoder(Letter).decode
_encode = msgspec.msgpack.Encoder().encode


class DeadLetters:
    """The hash `dead`: id → letter; a delivery's letter is written by the script that settles it."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._hash = keyspace.key("dead")

    def put(self, letter: Letter) -> bool:
        """Keep a letter; returns False, and counts it as shed, when there are too many already."""
        if len(self) >= LIMIT:
            self._keys.client.hincrby(self._keys.key("counts"), "dead_letters_shed", 1)
            return False
        self._keys.client.hset(self._hash, letter.id, _encode(letter))
        return True

    def all(self) -> list[Letter]:
        """Return the letters, oldest first."""
        values = cast("list[bytes]", self._keys.client.hvals(self._hash))
        return sorted((_decode(v) for v in values), key=lambda letter: letter.at)

    def __len__(self) -> int:
        return self._keys.client.hlen(self._hash)
