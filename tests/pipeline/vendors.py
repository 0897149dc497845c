"""Vendors in memory, as honest about their bad days as real ones, and the sinks that speak to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import ClassVar, TypeVar

import msgspec

from bridge.domain.alert import Severity
from bridge.domain.incident import Incident
from bridge.ports import Delivery, Finding, Outcome, Pace, Receipt, Rejected, RetryAt, Unknown
from bridge.settings import Options

T = TypeVar("T")
BAD_DAYS = ("fine", "lost answer", "no answer", "later", "blocked", "rejected")
"""What may come of a call: done; done, but nobody hears of it; not done, and nobody knows; certainly not done; …"""


@dataclass
class Thing:
    """A message or an issue."""

    incident: str
    seen_from: float
    """When searches begin to show it."""
    began: int
    """Version told when it was made."""
    open: bool
    severity: Severity
    count: int
    entries: list[int] = field(default_factory=list)


class Vendor:
    """Holds things; what goes wrong is set by the test, call by call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.things: list[Thing] = []
        self.days: list[str] = []
        """What comes of the next calls; fine when there is no more."""
        self.lag = 0.0

    def next(self) -> str:
        """Return what comes of this call."""
        return self.days.pop(0) if self.days else "fine"


class FakeSink:
    """A sink whose vendor is in memory. `point` is called where a worker may die or be held up."""

    Options: ClassVar[type[Options]] = Options
    settle = timedelta(seconds=15)
    pace = Pace(0, 0)

    def __init__(self, vendor: Vendor, point: Callable[[], None], *, tells_repeats: bool) -> None:
        self.vendor = vendor
        self.tells_repeats = tells_repeats
        self._point = point

    def sync(self, delivery: Delivery) -> Receipt:
        """Create or edit, then tell entry by entry; what was achieved goes with what stopped it."""
        incident, receipt = delivery.incident, delivery.receipt
        if receipt is None:
            receipt = self._step(None, lambda: self._create(incident))
        elif receipt.memo != _shown(incident):
            thing = self._thing(receipt)
            receipt = self._step(receipt, partial(self._edit, thing, receipt, incident), idempotent=True)
        for entry in incident.untold(receipt.told):
            receipt = self._step(receipt, partial(self._tell, receipt, entry.version))
        return msgspec.structs.replace(receipt, version=incident.version, told=incident.version)

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return what searches show by now."""

        def look() -> Receipt | None:
            now, name = self.vendor.clock(), delivery.incident.id
            return next((self._of(t) for t in self.vendor.things if t.incident == name and t.seen_from <= now), None)

        return self._step(delivery.receipt, look, idempotent=True)

    def examine(self) -> Iterable[Finding]:
        """Find nothing."""
        return ()

    def _step(self, known: Receipt | None, act: Callable[[], T], *, idempotent: bool = False) -> T:
        self._point()
        try:
            sys.audit("http.client.send", None, b"")  # as the real ones do right before they send: the fence looks here
            day = self.vendor.next()
            if day in ("fine", "lost answer"):
                done = act()
                self._point()
                if day == "fine":
                    return done
            if day in _BAD:
                raise _BAD[day]()
            raise RetryAt(day, after=timedelta()) if idempotent else Unknown(day)
        except Outcome as outcome:
            outcome.receipt = known
            raise

    def _thing(self, receipt: Receipt) -> Thing:
        return self.vendor.things[int(receipt.handle[0])]

    def _of(self, thing: Thing) -> Receipt:
        told = max([thing.began, *thing.entries])
        return Receipt(handle=(str(self.vendor.things.index(thing)),), version=told, told=told)

    def _create(self, incident: Incident) -> Receipt:
        seen_from = self.vendor.clock() + self.vendor.lag
        thing = Thing(incident.id, seen_from, incident.version, incident.open, incident.severity, incident.count)
        self.vendor.things.append(thing)
        return msgspec.structs.replace(self._of(thing), memo=_shown(incident))

    def _edit(self, thing: Thing, receipt: Receipt, incident: Incident) -> Receipt:
        thing.open, thing.severity, thing.count = incident.open, incident.severity, incident.count
        return msgspec.structs.replace(receipt, version=incident.version, memo=_shown(incident))

    def _tell(self, receipt: Receipt, version: int) -> Receipt:
        self._thing(receipt).entries.append(version)
        return msgspec.structs.replace(receipt, told=version)


def _shown(incident: Incident) -> tuple[str, ...]:
    return (str(incident.open), incident.severity, str(incident.count))


_BAD: dict[str, Callable[[], Outcome]] = {
    "later": lambda: RetryAt("not now", after=timedelta(seconds=2)),
    "blocked": lambda: RetryAt("slow down", after=timedelta(seconds=30), blocked=True),
    "rejected": lambda: Rejected("never"),
}
