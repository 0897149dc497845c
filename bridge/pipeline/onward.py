"""onward: ingest, then the same worker tells the first destination itself that became due by it.

A message through the broker for that would take longer than the look, and nothing depends on it: what is not done
here, because the worker dies or the destination is slow, the sweep rings for as it does for a lost bell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Bell, Parts


@dataclass
class _Ear:
    """A bell that keeps its first ring for a destination to itself, and passes on all others."""

    bell: Bell
    heard: str = ""

    def ingest(self) -> None:
        self.bell.ingest()

    def deliver(self, destination: str) -> None:
        if self.heard:
            self.bell.deliver(destination)
        else:
            self.heard = destination

    def recover(self, action: str) -> None:
        self.bell.recover(action)


def ingest_and_deliver(parts: Parts) -> None:
    """Fold a batch of the inbox into incidents and serve one destination that became due by it, if any did."""
    ear = _Ear(parts.bell)
    ingest(replace(parts, bell=ear))
    if ear.heard:
        deliver(parts, ear.heard)
