"""The canary that is under way, under the key `canary`; changed by compare-and-set, for many workers look at it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bridge.domain.alert import from_epoch
from bridge.domain.canary import Flight
from bridge.store.keyspace import Keyspace

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Flight).decode


class Flights:
    """Reads and writes the one flight."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace

    def read(self) -> tuple[datetime, Flight | None, bytes]:
        """Return the store's time, the flight if there was one, and it as stored: for `swap`."""
        pipe = self._keys.client.pipeline(transaction=False)
        pipe.time()
        pipe.get(self._keys.key("canary"))
        (seconds, micros), stored = pipe.execute()
        return from_epoch(seconds + micros / 1e6), flight_of(stored), stored or b""

    def swap(self, stored: bytes, flight: Flight) -> bool:
        """Write a flight in the place of the one that was read; False if another worker did meanwhile."""
        return bool(self._keys.run("swap", "canary", stored, _encode(flight)))


def flight_of(stored: bytes | None) -> Flight | None:
    """Return the flight as it is stored."""
    return _decode(stored) if stored else None
