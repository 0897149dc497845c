"""The running parts that the pipeline works with; `bridge.wiring` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from bridge.domain.alert import Alert, Link
from bridge.domain.canary import is_canary
from bridge.domain.incident import Incident
from bridge.domain.ping import Ping
from bridge.domain.recovery import Guard
from bridge.domain.routing import Routes, Threshold
from bridge.domain.watchdog import Watchdog
from bridge.enrich.links import Links
from bridge.enrich.links.matchers import given
from bridge.pipeline.shift import Shifts
from bridge.ports import Action, Sample, Sink
from bridge.settings.sections import InboxLimit
from bridge.settings.self_watch import SelfWatch
from bridge.sources.canary import Canary
from bridge.store.deliveries import LEASE, Deliveries
from bridge.store.flights import Flights
from bridge.store.heartbeats import Heartbeats
from bridge.store.inbox import ABANDONED, Inbox
from bridge.store.incidents import Incidents
from bridge.store.proof import Proofs
from bridge.store.runs import Runs
from bridge.store.vitals import Vitals

ALWAYS = Threshold()
INBOX = ""
"""The inbox's name among those that a bell rings for."""
RECOVER = "recover:"
"""Before a recovery action's name among those of destinations, which have no colon."""


class Bell(Protocol):
    """Tells a worker where to look. Best effort and never raises: what is lost, the sweep rings again."""

    def ingest(self) -> None:
        """There is something in the inbox."""

    def deliver(self, destination: str) -> None:
        """Something is due at a destination."""

    def recover(self, action: str) -> None:
        """A recovery action is due."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What a worker needs to run recovery actions."""

    runs: Runs
    actions: Mapping[str, Action] = field(default_factory=dict)
    guards: Mapping[str, Guard] = field(default_factory=dict)
    """Of each action."""
    timezone: tzinfo = UTC
    """In which what became of a run is told."""
    scrub: Callable[[Alert], Alert] = lambda alert: alert
    """Takes secrets out of what the other side answered."""


class Listener(Protocol):
    """Hears pings; registered in `Parts.listeners` under what their names begin with, as in `self` for `self:<rest>`.

    Called before the inbox lets go of the pings: after a crash in between it hears the same ones again, and that must
    change nothing. They come in no order; those of one name together. It may put alerts into the inbox.
    """

    def __call__(self, parts: Parts, pings: Sequence[Ping], now: datetime) -> None:
        """Take in pings; `now` is the store's time. Raises RedisError to hear them again later."""
        ...


@dataclass(frozen=True, kw_only=True)
class Aviary:
    """What is needed to fly canaries."""

    flights: Flights
    source: Canary
    post: Callable[[Sample], str]
    """Sends a request to a receiver; returns why it was not accepted, or nothing."""
    to: tuple[str, ...]
    """Where they are told, and nowhere else."""
    every: timedelta
    within: timedelta
    keep: bool = False
    """Their messages stay, shown as resolved."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a worker needs to ingest, deliver and sweep."""

    inbox: Inbox
    incidents: Incidents
    deliveries: Deliveries
    bell: Bell
    sinks: Mapping[str, Sink]
    routes: Routes
    thresholds: Mapping[str, Threshold]
    links: Links
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    """Destination → the one that hears of what it refused."""
    mask: Callable[[str], str] = str
    """Takes the config's own secrets out of what a vendor says: some repeat what they were sent."""
    recovery: Recovery | None = None
    """None: there are no recovery actions."""
    vitals: Vitals | None = None
    """How the bridge itself is; without it nobody is told."""
    self_watch: SelfWatch = field(default_factory=SelfWatch)
    """From where on its own trouble is worth an alert."""
    inbox_limit: InboxLimit = field(default_factory=InboxLimit)
    """Above it receivers send senders away."""
    proofs: Proofs | None = None
    """Entries of the bridge's own that go through the inbox; without it nothing is proven."""
    pulse: Callable[[], str] | None = None
    """Sends the outgoing heartbeat; returns why it did not get through, or nothing."""
    aviary: Aviary | None = None
    """None: no canaries fly."""
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    """Who hears the pings that come through the inbox, by what their names begin with."""
    heartbeats: Heartbeats | None = None
    """What is missed when it is silent; without it nothing is."""
    watchdogs: Sequence[Watchdog] = ()
    """Alerts that are pings."""
    reopen_within: timedelta = timedelta(hours=24)
    repeat_every: timedelta = timedelta(seconds=10)
    """How often at the most a mere repeat edits a message."""
    lease: timedelta = LEASE
    abandoned: timedelta = ABANDONED
    longest_wait: timedelta = timedelta(minutes=5)
    """Between two attempts at a delivery, unless the vendor asks for more."""
    shifts: Shifts = field(default_factory=Shifts)
    """Who serves which destination in this process."""
    at_once: int = 8
    """Deliveries to one destination under way at the same time in one worker."""

    def threshold(self, destination: str, incident_id: str) -> Threshold:
        """Return from when on a destination hears of an incident; of a canary at once."""
        return ALWAYS if is_canary(incident_id) else self.thresholds[destination]

    def audience_of_canaries(self) -> tuple[str, ...]:
        """Return where canaries are told."""
        return self.aviary.to if self.aviary else ()


def links_of(parts: Parts, incident: Incident, now: datetime) -> tuple[Link, ...]:
    """Return the links to trace and logs, then what the sender gave; http and https only."""
    links = (*parts.links.build(incident, now), *given(incident))
    return tuple(link for link in links if link.url.startswith(("http://", "https://")))


def ring(parts: Parts, names: Sequence[str]) -> None:
    """Ring for each name the store gave: '' is the inbox, recover:<name> an action, anything else a destination."""
    for name in names:
        if name == INBOX:
            parts.bell.ingest()
        elif name.startswith(RECOVER):
            parts.bell.recover(name.removeprefix(RECOVER))
        elif name in parts.sinks:
            parts.bell.deliver(name)
