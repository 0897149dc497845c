"""Signs of life of sources: each proven request of one that has to speak now and then is a ping."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime

from bridge.domain.ping import Ping
from bridge.settings.heartbeats import SOURCE

EVERY = 5.0
"""Seconds between two pings of one source: its requests may come by the thousand."""


class Life:
    """Says when a source's request is worth a ping."""

    def __init__(self, sources: Collection[str]) -> None:
        self._sources = frozenset(sources)
        self._told: dict[str, float] = {}

    def signs(self, source: str) -> list[Ping]:
        """Return the ping of a proven request; none if the source may be quiet, or was just heard."""
        now = time.monotonic()
        if source not in self._sources or now - self._told.get(source, -EVERY) < EVERY:
            return []
        self._told[source] = now
        return [Ping(name=SOURCE + source, at=datetime.now(UTC))]

    def unsaid(self, source: str) -> None:
        """Take back the last sign: it could be kept nowhere."""
        self._told.pop(source, None)
