"""A pipeline without bells: the tests look themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bridge.domain.advance import advance
from bridge.domain.alert import Alert
from bridge.domain.incident import Incident
from bridge.domain.routing import Route, Routes, Threshold
from bridge.enrich.links import Links
from bridge.pipeline.parts import Parts
from bridge.ports import Sink
from bridge.store.deliveries import Deliveries
from bridge.store.inbox import Inbox
from bridge.store.incidents import Incidents
from bridge.store.keyspace import Keyspace


class Quiet:
    """A bell nobody hears."""

    def ingest(self) -> None: ...

    def deliver(self, destination: str) -> None: ...

    def recover(self, action: str) -> None: ...


def parts_with(keyspace: Keyspace, sinks: Mapping[str, Sink], **more: object) -> Parts:
    """Return parts that tell every sink everything."""
    parts = Parts(
        inbox=Inbox(keyspace),
        incidents=Incidents(keyspace),
        deliveries=Deliveries(keyspace),
        bell=Quiet(),
        sinks=sinks,
        routes=Routes([Route((), tuple(sinks), continue_=False)]),
        thresholds={name: Threshold() for name in sinks},
        links=Links([], timedelta(minutes=15), timedelta(minutes=15)),
    )
    return replace(parts, **more)  # type: ignore[arg-type]  # fields by name


def incident_of(*alerts: Alert) -> Incident:
    """Return the incident that alerts make."""
    incident: Incident | None = None
    for one in alerts:
        incident, _ = advance(incident, one, set(), timedelta(hours=24))
    assert incident is not None
    return incident
