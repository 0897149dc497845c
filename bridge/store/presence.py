"""Which workers there are: each notes itself in the hash `workers`, and takes itself out when it stops."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from bridge.domain.alert import from_epoch
from bridge.store.keyspace import Keyspace

BEAT_EVERY = timedelta(seconds=5)
FORGOTTEN = timedelta(hours=1)
"""After so much silence a worker that never said goodbye is no longer spoken of."""

UNPACKS = "+z"
"""What the names of workers end with that can read packed incidents: those before them could not."""


class Worker(msgspec.Struct, frozen=True):
    """A worker process, by the store's clock."""

    name: str
    """`<host>:<process id>:<a word of its own>+z`: a container's host and process id come again."""
    started: datetime
    beat: datetime
    """When it spoke last."""

    @property
    def place(self) -> str:
        """Where it runs: its host and process id."""
        return self.name.rpartition(":")[0]


class Presence:
    """This process's place among the workers."""

    def __init__(self, keyspace: Keyspace, name: str = "") -> None:
        self._keys = keyspace
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}{UNPACKS}"
        self.all_unpack = False
        """Whether all workers, as far as known, can read packed incidents."""
        self._next = 0.0

    def beat(self) -> None:
        """Say that this worker lives, if it did not within the last 5 s."""
        if time.monotonic() >= self._next:
            told = self._keys.run("presence", self.name, int(FORGOTTEN.total_seconds() * 1000), UNPACKS)
            self.all_unpack = bool(told)
            self._next = time.monotonic() + BEAT_EVERY.total_seconds()

    def leave(self) -> None:
        """Say that it stops as it should."""
        self._keys.client.hdel(self._keys.key("workers"), self.name)


def workers_of(fields: Mapping[bytes, bytes]) -> tuple[Worker, ...]:
    """Return the workers of the hash, the longest silent first."""
    found = []
    for name, value in fields.items():
        started, _, beat = value.partition(b"|")
        found.append(Worker(name.decode(), from_epoch(int(started) / 1000), from_epoch(int(beat) / 1000)))
    return tuple(sorted(found, key=lambda worker: worker.beat))
