"""The bridge's own alerts: it says through the inbox, like any sender, what keeps it from telling people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec
import structlog

from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint
from bridge.domain.words import duration
from bridge.pipeline.audience import SELF
from bridge.pipeline.parts import Parts
from bridge.selfreport import TAG
from bridge.store.vitals import Said, Vital

EVERY = timedelta(seconds=10)
BLOCKED_FOR = timedelta(seconds=55)
"""A destination that is blocked for so long, or will be by what its vendor says, is worth an alert.

A little less than a minute, for which a refused token is left alone: so that is told at once.
"""
BEHIND_BY = timedelta(minutes=1)
"""So old may the oldest accepted request be that is not ingested yet."""
SAY_AGAIN = timedelta(minutes=1)
"""What changed about a concern (one more dead letter) is said at most this often."""

log = structlog.get_logger(__name__)


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """Something that keeps the bridge from its work."""

    kind: str
    destination: str = ""
    """Which can't be told of it; empty if it is not about one."""
    severity: Severity
    title: str
    summary: str

    @property
    def name(self) -> str:
        """What tells it from others."""
        return f"{self.kind}:{self.destination}"


def concerns(vital: Vital) -> Iterator[Concern]:
    """Yield what is wrong with the bridge at a moment."""
    for name, block in vital.blocked.items():
        if max(block.until, vital.now) - block.since >= BLOCKED_FOR:
            yield Concern(
                kind="blocked",
                destination=name,
                severity=Severity.CRITICAL,
                title=f"alert-bridge can't deliver to {name}",
                summary=f"{block.reason.rstrip('.')}. What is due there waits, and is told as soon as it works again.",
            )
    if vital.letters:
        more = f", and {vital.shed} more that there was no room for" if vital.shed else ""
        yield Concern(
            kind="dead-letters",
            severity=Severity.WARNING,
            title="alert-bridge has dead letters, which need a person",
            summary=f"{vital.letters} of them{more}. Run `alert-bridge dead-letters list`, then replay or drop them.",
        )
    if vital.oldest is not None and vital.now - vital.oldest >= BEHIND_BY:
        yield Concern(
            kind="behind",
            severity=Severity.CRITICAL,
            title="alert-bridge is behind",
            summary=f"Accepted alerts wait for more than {duration(BEHIND_BY)}. Start more workers, or see their log.",
        )


def look(parts: Parts) -> list[Alert]:
    """Put an alert into the inbox for what has come up, changed or is over; returns those.

    A crash on the way says the same again, which is a duplicate then.
    """
    if parts.vitals is None:
        return []
    vital = parts.vitals.read(list(parts.sinks))
    said, found = parts.vitals.said(), {concern.name: concern for concern in concerns(vital)}
    alerts = []
    for name in {**said, **found}:
        alert, note = statement(name, found.get(name), said.get(name), vital.now)
        if alert is not None:
            parts.inbox.put([alert])
            parts.vitals.note(name, note)
            log.warning("concern" if note else "concern_over", concern=name, reason=alert.summary)
            alerts.append(alert)
    if alerts:
        parts.bell.ingest()
    return alerts


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
