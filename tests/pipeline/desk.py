"""A bridge without processes: real store, real pipeline, sinks that obey, for tests that look at each step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import redis

from bridge.domain.alert import Alert
from bridge.domain.routing import Route, Routes, Threshold
from bridge.enrich.links import Links
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.ports import Delivery, Finding, Outcome, Pace, Receipt, Sink
from bridge.settings import Options
from bridge.store.deliveries import Deliveries
from bridge.store.inbox import Inbox
from bridge.store.incidents import Incidents, Record
from bridge.store.keyspace import Keyspace
from bridge.store.vitals import Vitals

MINUTE = timedelta(minutes=1)


class Quiet:
    """A bell nobody hears: the tests look themselves."""

    def ingest(self) -> None: ...

    def deliver(self, destination: str) -> None: ...

    def recover(self, action: str) -> None: ...


class Board:
    """A sink that keeps what it is told, and fails as it is asked to: the next outcomes come from `answers`."""

    Options = Options
    settle = timedelta()
    tells_repeats = True
    pace = Pace(per_second=0, burst=0)

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: dict[str, int] = {}
        """Incident id → version shown."""
        self.created: list[str] = []
        self.answers: list[Outcome] = []

    def sync(self, delivery: Delivery) -> Receipt:
        """Show the incident, unless it was told to fail."""
        if self.answers:
            raise self.answers.pop(0)
        incident = delivery.incident
        if incident.id not in self.shown:
            self.created.append(incident.id)
        self.shown[incident.id] = incident.version
        return Receipt(handle=(self.name, str(len(self.created))), version=incident.version, told=incident.version)

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return what is shown."""
        version = self.shown.get(delivery.incident.id)
        return None if version is None else Receipt(handle=(self.name, "1"), version=version, told=version)

    def examine(self) -> Iterable[Finding]:
        """Find nothing."""
        return ()


class Desk:
    """The parts of a bridge with boards as destinations; `hear` takes alerts as far as they go now."""

    def __init__(
        self,
        client: redis.Redis,
        boards: Iterable[Board],
        routes: Iterable[Route] = (),
        thresholds: dict[str, Threshold] | None = None,
        fallbacks: dict[str, str] | None = None,
    ) -> None:
        self.boards = {board.name: board for board in boards}
        self.keys = Keyspace(client)
        sinks: dict[str, Sink] = dict(self.boards)
        given = thresholds or {}
        self.parts = Parts(
            inbox=Inbox(self.keys),
            incidents=Incidents(self.keys),
            deliveries=Deliveries(self.keys),
            bell=Quiet(),
            sinks=sinks,
            routes=Routes(routes) or Routes([Route(to=tuple(self.boards))]),
            thresholds={name: given.get(name, Threshold()) for name in self.boards},
            links=Links([], MINUTE, MINUTE),
            fallbacks=fallbacks or {},
            vitals=Vitals(self.keys),
        )

    def hear(self, *alerts: Alert, trace: str = "") -> None:
        """Take alerts all the way, as far as they go now."""
        if alerts:
            self.parts.inbox.put(list(alerts), trace)
        ingest(self.parts)
        for name in self.boards:
            deliver(self.parts, name)

    def wake(self, name: str) -> None:
        """Let the time pass that a destination waits for, and deliver."""
        self.keys.client.delete(self.keys.key(f"hold:{name}"))
        due = self.keys.key(f"due:{name}")
        for member in self.keys.client.zrange(due, 0, -1):  # type: ignore[union-attr]  # not the async client
            self.keys.client.zadd(due, {member: 0})
        deliver(self.parts, name)

    def record(self, fingerprint: str = "f" * 24) -> Record:
        """Return what the store holds on an incident."""
        found = self.parts.incidents.find(fingerprint)
        assert found is not None
        return found
