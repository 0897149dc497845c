"""The bridge's own alerts: what keeps it from telling people, told like any other problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint
from bridge.domain.ping import Ping
from bridge.pipeline import pulse
from bridge.pipeline.audience import SELF
from bridge.pipeline.canary import fly
from bridge.pipeline.concerns import Concern, Limits, concerns
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import fold
from bridge.pipeline.parts import Parts
from bridge.selfreport import TAG
from bridge.store.notes import FORGOTTEN
from bridge.store.proof import NAME
from bridge.store.vitals import Said, Vital, Vitals

EVERY = timedelta(seconds=10)
SAY_AGAIN = timedelta(minutes=1)
"""What changed about a concern (one more dead letter) is said at most this often."""
UNHEARD = ("behind:", "sweep:")
"""Where these stand, a bell may be heard by nobody."""

log = structlog.get_logger(__name__)


def watch(parts: Parts) -> list[Alert]:
    """Look at the bridge itself, unless another worker did within ten seconds; returns what was said.

    To be called about once a second in a thread of its own: so it notices that the sweep stands still, too.
    """
    if parts.vitals is None:
        return []
    if parts.aviary is not None:
        fly(parts, parts.aviary, parts.vitals)
    return look(parts) if parts.vitals.turn(EVERY) else []


def look(parts: Parts) -> list[Alert]:
    """Say what has come up, changed or is over, and send the outgoing heartbeat if all is well; returns those alerts.

    They go into their incidents at once, past the inbox, which may be full or served by nobody. A crash on the way
    says the same again, which is a duplicate then.
    """
    if parts.vitals is None:
        return []
    vital = parts.vitals.read(list(parts.sinks))
    parts.vitals.forget([note.name for note in vital.receivers if vital.now - note.at > FORGOTTEN])
    found = standing(parts, vital)
    alerts = _say(parts, parts.vitals, found, vital.now)
    pulse.beat(parts, vital, found)
    if any(name in found for name in UNHEARD):
        for destination in parts.sinks:
            deliver(parts, destination)
    return alerts


def _say(parts: Parts, vitals: Vitals, found: Mapping[str, Concern], now: datetime) -> list[Alert]:
    said = vitals.said()
    found = {name: concern for name, concern in found.items() if not _told_otherwise(concern, found, said)}
    alerts = []
    for name in {**said, **found}:
        alert, note = statement(name, found.get(name), said.get(name), now)
        if alert is not None and fold(parts, [alert], now):
            vitals.note(name, note)
            log.warning("concern" if note else "concern_over", concern=name, reason=alert.summary)
            alerts.append(alert)
    return alerts


def _told_otherwise(concern: Concern, found: Mapping[str, Concern], said: Mapping[str, Said]) -> bool:
    """Return whether a canary is late because its destination is blocked: one trouble is one alert, the first one."""
    return concern.kind == "canary" and f"blocked:{concern.destination}" in found and concern.name not in said


def heed(parts: Parts, pings: Sequence[Ping], now: datetime) -> None:
    """Hear the bridge's own pings: what lies in the inbox is read."""
    if parts.proofs is not None and any(ping.name == NAME for ping in pings):
        parts.proofs.heard(now)


def standing(parts: Parts, vital: Vital) -> dict[str, Concern]:
    """Return what is wrong now, by name."""
    limits = Limits(parts.self_watch, parts.inbox_limit, parts.audience_of_canaries())
    return {concern.name: concern for concern in concerns(vital, limits)}


def statement(name: str, concern: Concern | None, said: Said | None, now: datetime) -> tuple[Alert | None, Said | None]:
    """Return what is to be said of a concern now, if anything, and what is then known to be said."""
    if concern is None:
        return (_alert(name, said, now), None) if said else (None, None)
    if said is not None and (said.text == concern.summary or now - said.at < SAY_AGAIN):
        return None, said
    note = Said(said.since if said else now, now, concern.summary)
    return _alert(name, note, now, concern), note


def _alert(name: str, said: Said, now: datetime, concern: Concern | None = None) -> Alert:
    """Return the statement that a concern is there, or over."""
    kind, _, destination = name.partition(":")
    status = Status.FIRING if concern else Status.RESOLVED
    about: Mapping[str, str] = {"destination": destination} if destination else {}
    return Alert(
        source=SELF,
        fingerprint=fingerprint(SELF, kind, destination),
        event_id=event_id(SELF, name, said.since.isoformat(), status, concern.summary if concern else ""),
        status=status,
        severity=concern.severity if concern else Severity.INFO,
        at=now,
        title=concern.title if concern else name,
        summary=concern.summary if concern else "",
        service=SELF,
        labels={TAG: "true", "concern": kind, **about},
    )
