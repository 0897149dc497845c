"""`advance`: the whole of deduplication."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from bridge.domain.alert import Alert, Status
from bridge.domain.incident import TIMELINE_LIMIT, Change, Entry, Incident
from bridge.domain.words import clip, duration

T = TypeVar("T")
KEYS_LIMIT = 128
"""Labels or facts that statements may add up to; beyond it the newest statement's own are kept."""
REASON_LIMIT = 300
CLOCKS = timedelta(minutes=1)


def advance(
    incident: Incident | None, alert: Alert, seen: Container[str], reopen_within: timedelta
) -> tuple[Incident | None, Change]:
    """Return the incident as it is with this statement known, and what the statement did to it.

    `seen` are the event ids of this problem's statements that were counted before. The result does not depend on
    the order in which statements arrive, as far as status, severity, count, first and last seen go (and while no
    gap between them exceeds `reopen_within`): each is decided by the statements' own times. At the same time a
    resolution wins over a firing.
    """
    if _fires_after_all(incident, alert):
        alert = msgspec.structs.replace(alert, at=alert.said_at)
    elif alert.event_id in seen:
        return _heard_again(incident, alert)
    if incident is None:
        return _begin(alert)
    match alert.status:
        case Status.FIRING:
            return _fire(incident, alert, reopen_within)
        case Status.RESOLVED:
            return _resolve(incident, alert)
        case Status.NOTED:
            return _note(incident, alert)


def _fires_after_all(incident: Incident | None, alert: Alert) -> bool:
    """Return whether a sender says that a problem fires which it had declared over, dated by its old beginning.

    Alertmanager declares an alert over when Prometheus is silent for some minutes; once Prometheus is heard again, the
    alert comes back as if it had never been away. The minute is for the clocks of its peers. What began after the
    resolution keeps its own beginning: it may be said minutes later (`group_interval`), when it is over again.
    """
    if incident is None or incident.open or alert.status is not Status.FIRING or alert.said_at is None:
        return False
    return alert.at <= incident.stated_at < alert.said_at - CLOCKS


def _heard_again(incident: Incident | None, alert: Alert) -> tuple[Incident | None, Change]:
    """Change nothing, unless the sender says now that what it said before still is so: then it was seen now.

    Alertmanager does at every `repeat_interval`; the copy of its peer, some seconds later, is within the minute.
    """
    if incident is None or not incident.open or alert.status is not Status.FIRING or alert.said_at is None:
        return incident, Change.DUPLICATE
    if alert.said_at <= incident.last_seen + CLOCKS:
        return incident, Change.DUPLICATE
    return _told(msgspec.structs.replace(incident, last_seen=alert.said_at), Change.REPEATED)


def _begin(alert: Alert) -> tuple[Incident | None, Change]:
    if alert.status is Status.NOTED:
        return None, Change.MOOT
    if alert.status is Status.RESOLVED:
        return _first(alert, number=1, count=0), Change.MOOT
    return _open(alert, 1, Change.OPENED, "opened")


def _open(alert: Alert, number: int, change: Change, text: str, version: int = 1) -> tuple[Incident, Change]:
    entry = Entry(version=version, at=alert.at, change=change, text=text)
    first = _first(alert, number=number, count=1)
    return msgspec.structs.replace(first, version=version, timeline=(entry,)), change


def _first(alert: Alert, *, number: int, count: int) -> Incident:
    return Incident(
        fingerprint=alert.fingerprint,
        number=number,
        version=1,
        status=alert.status,
        severity=alert.severity,
        source=alert.source,
        title=alert.title,
        summary=alert.summary,
        details=alert.details,
        service=alert.service,
        environment=alert.environment,
        url=alert.url,
        labels=alert.labels,
        facts=alert.facts,
        links=alert.links,
        trace_id=alert.trace_id,
        first_seen=alert.at,
        last_seen=alert.at,
        fired_at=alert.at,
        stated_at=alert.at,
        described_by=(alert.at, alert.event_id),
        count=count,
        reopened=0,
        timeline=(),
        redactions=alert.redactions,
    )


def _fire(incident: Incident, alert: Alert, reopen_within: timedelta) -> tuple[Incident, Change]:
    if incident.open:
        return _repeat(incident, alert)
    if alert.at <= incident.stated_at:
        return _told(_counted(incident, alert), Change.LATE)
    gap = alert.at - incident.stated_at
    if not incident.count:
        return _open(alert, incident.number, Change.OPENED, "opened", incident.version + 1)
    if gap > reopen_within:
        text = f"firing again; the incident before was resolved {duration(gap)} earlier"
        return _open(alert, incident.number + 1, Change.RECURRED, text)
    again = msgspec.structs.replace(
        _counted(incident, alert),
        status=Status.FIRING,
        stated_at=alert.at,
        fired_at=alert.at,
        reopened=incident.reopened + 1,
    )
    return _told(again, Change.REOPENED, f"firing again, {duration(gap)} after it was resolved", alert.at)


def _repeat(incident: Incident, alert: Alert) -> tuple[Incident, Change]:
    counted = _counted(incident, alert)
    stated_at = max(incident.stated_at, alert.at)
    fired_at = incident.fired_at if incident.reopened else min(incident.fired_at, alert.at)
    after = msgspec.structs.replace(counted, stated_at=stated_at, fired_at=fired_at)
    old, new = incident.severity, after.severity
    if new is old:
        return _told(after, Change.REPEATED)
    if new.rank > old.rank:
        return _told(after, Change.WORSENED, f"severity raised from {old} to {new}", alert.at)
    return _told(after, Change.EASED, f"severity eased from {old} to {new}", alert.at)


def _resolve(incident: Incident, alert: Alert) -> tuple[Incident, Change]:
    if alert.at < incident.stated_at:
        return _told(incident, Change.LATE)
    after = msgspec.structs.replace(incident, status=Status.RESOLVED, stated_at=alert.at)
    if not incident.open:
        return _told(after, Change.MOOT)
    text = f"resolved after {duration(alert.at - incident.fired_at)}"
    if alert.summary and alert.summary != incident.summary:
        text += f": {clip(alert.summary, REASON_LIMIT)}"
    return _told(after, Change.RESOLVED, text, alert.at)


def _note(incident: Incident, alert: Alert) -> tuple[Incident, Change]:
    if alert.number not in (0, incident.number) or not (incident.open or alert.number):
        return incident, Change.MOOT
    return _told(incident, Change.NOTED, clip(alert.summary or alert.title, REASON_LIMIT), alert.at)


def _told(incident: Incident, change: Change, text: str = "", at: datetime | None = None) -> tuple[Incident, Change]:
    """Return the incident one version on, with an entry in its timeline if the change is worth telling."""
    version = incident.version + 1
    timeline = incident.timeline
    if at is not None:
        entry = Entry(version=version, at=at, change=change, text=text)
        timeline = (*timeline, entry)[-TIMELINE_LIMIT:]
    return msgspec.structs.replace(incident, version=version, timeline=timeline), change


def _counted(incident: Incident, alert: Alert) -> Incident:
    """Return the incident with a firing statement counted in and described by the newer of the two."""
    newer = (alert.at, alert.event_id) > incident.described_by or not incident.count
    return msgspec.structs.replace(
        incident,
        severity=alert.severity if newer else incident.severity,
        title=alert.title if newer else incident.title,
        summary=_either(newer, alert.summary, incident.summary),
        details=_either(newer, alert.details, incident.details),
        service=_either(newer, alert.service, incident.service),
        environment=_either(newer, alert.environment, incident.environment),
        url=_either(newer, alert.url, incident.url),
        trace_id=_either(newer, alert.trace_id, incident.trace_id),
        links=_either(newer, alert.links, incident.links),
        labels=_merged(newer, alert.labels, incident.labels),
        facts=_merged(newer, alert.facts, incident.facts),
        described_by=(alert.at, alert.event_id) if newer else incident.described_by,
        first_seen=min(incident.first_seen, alert.at) if incident.count else alert.at,
        last_seen=max(incident.last_seen, alert.at) if incident.count else alert.at,
        count=incident.count + 1,
        redactions=max(incident.redactions, alert.redactions),
    )


def _either(newer: bool, given: T, known: T) -> T:  # noqa: FBT001
    """Return the newer value, unless it is empty: hooks about one problem differ in how much they say."""
    first, second = (given, known) if newer else (known, given)
    return first or second


def _merged(newer: bool, given: dict[str, str], known: dict[str, str]) -> dict[str, str]:  # noqa: FBT001
    if given == known:
        return known
    merged = {**known, **given} if newer else {**given, **known}
    return merged if len(merged) <= KEYS_LIMIT else (given if newer else known)
