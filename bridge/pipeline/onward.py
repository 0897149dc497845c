"""onward: ingest, then the same worker tells the first destination itself that became due by it.

A message through the broker for that would take longer than the look, and nothing depends on it: what is not done
here, because the worker dies or the destination is slow, the sweep rings for as it does for a lost bell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from bridge.pipeline import fence
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import INBOX, Bell, Parts
from bridge.pipeline.shift import Shift

TURN = timedelta(seconds=1)
"""So long one bell is heard while there is more in the inbox."""


@dataclass
class _Ear:
    """A bell that keeps its first ring for a destination to itself.

    Others it passes on: to the thread of this process that serves that destination, or else to the real bell.
    """

    bell: Bell
    serves: Callable[[str], bool]
    """Returns whether a thread of this process serves a destination, and has it look once more."""
    heard: str = ""

    def ingest(self) -> None:
        self.bell.ingest()

    def deliver(self, destination: str) -> None:
        if self.serves(destination):
            return
        if self.heard:
            self.bell.deliver(destination)
        else:
            self.heard = destination

    def recover(self, action: str) -> None:
        self.bell.recover(action)

    def pass_on(self) -> None:
        """Pass the first ring on too: there is more to fold before anybody is told."""
        heard, self.heard = self.heard, ""
        if heard:
            self.bell.deliver(heard)


def ingest_and_deliver(parts: Parts) -> None:
    """Fold the inbox into incidents, for a second or so, and serve one destination that became due, if any did.

    Nothing when another thread of this process folds already: that one looks once more. Several at once would change
    the same incidents, and hold a batch each.
    """
    shift = parts.shifts.of(INBOX, 1)
    if not shift.begin():
        return
    ear = _Ear(parts.bell, lambda destination: parts.shifts.of(destination, parts.at_once).ring())
    try:
        _fold_what_is_there(replace(parts, bell=ear), ear, shift)
    finally:
        shift.end()
    if ear.heard:
        deliver(parts, ear.heard)


def _fold_what_is_there(parts: Parts, ear: _Ear, shift: Shift) -> None:
    over, alone = fence.clock() + TURN.total_seconds(), True
    while True:
        more = ingest(parts)
        if not more and shift.over():
            return
        if fence.clock() > over:  # other bells wait for this worker too
            ear.ingest()
            return
        if more and alone:  # for another worker, if one is free
            ear.ingest()
            alone = False
        ear.pass_on()
