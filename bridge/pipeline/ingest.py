"""ingest: inbox → incidents and what is due, in batches, one commit each; pings go to who listens for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from bridge import logs
from bridge.domain import recovery
from bridge.domain.advance import advance
from bridge.domain.alert import Alert
from bridge.domain.canary import is_canary
from bridge.domain.incident import Change, Incident
from bridge.domain.routing import due_at
from bridge.pipeline import steps
from bridge.pipeline.audience import audience, remedies
from bridge.pipeline.hear import hear, told_apart
from bridge.pipeline.parts import Parts, ring
from bridge.selfreport import working_on
from bridge.store.chain import Repeated, Step
from bridge.store.inbox import Taken
from bridge.store.incidents import Due, Item, Record, Wanted

BATCH = 100
"""Requests taken from the inbox at once."""
ROUNDS = 20
"""How often a batch is tried again after conflicts before it is left to be taken anew."""
HEAD_START = timedelta(minutes=1)
"""What is due now is due that much earlier per step of severity: in a backlog the critical goes first."""

log = structlog.get_logger(__name__)


class _Fold(msgspec.Struct):
    """One problem's alerts of a batch, on their way into its incident."""

    record: Record | None
    incident: Incident | None
    changes: list[tuple[Change, str]]
    event_ids: list[str]
    steps: list[Step] = []
    """For the incident's chain of decisions."""
    left: bool = False
    """True when alerts remain for the next round: one commit can't write two incidents of one problem."""


def ingest(parts: Parts, batch: int = BATCH) -> int:
    """Fold a batch of the inbox into incidents; returns how many requests were taken."""
    now, taken = parts.inbox.take(batch, parts.abandoned)
    left = taken = told_apart(parts, taken)
    hear(parts, [ping for one in taken for ping in one.pings], now)
    with working_on(*(alert.labels for one in taken for alert in one.alerts)):
        for _ in range(ROUNDS):
            if not left:
                break
            left = _round(parts, left, now)
    if len(taken) == batch:
        parts.bell.ingest()
    return len(taken)


def fold(parts: Parts, alerts: Sequence[Alert], now: datetime) -> bool:
    """Fold alerts of the bridge's own into their incidents, past the inbox; False: not now, it is to be tried again."""
    left = [Taken(b"", list(alerts), "", said_at=now)]
    with working_on(*(alert.labels for alert in alerts)):
        for _ in range(ROUNDS):
            if left:
                left = _round(parts, left, now)
    return not left


def _round(parts: Parts, taken: Sequence[Taken], now: datetime) -> list[Taken]:
    """Commit what can be committed and return what is left to do."""
    by_problem: dict[str, list[tuple[Alert, Taken]]] = {}
    for one in taken:
        for alert in one.alerts:
            by_problem.setdefault(alert.fingerprint, []).append((alert, one))
    event_ids = list({a.event_id for one in taken for a in one.alerts})
    records, seen = parts.incidents.load(list(by_problem), event_ids, now) if event_ids else ({}, set())
    folds = {f: _fold(parts, records.get(f), alerts, seen) for f, alerts in by_problem.items()}
    index = {fingerprint: i for i, fingerprint in enumerate(folds)}
    entries = [
        (one.entry, [index[a.fingerprint] for a in one.alerts])
        for one in taken
        if one.entry and not any(folds[a.fingerprint].left for a in one.alerts)
    ]
    items = [_item(parts, f, fold, by_problem[f][-1][1].trace, now) for f, fold in folds.items()]
    conflicts, rings = parts.incidents.commit(items, entries, _counts(folds, taken), now)
    ring(parts, rings)
    again = {f for f, fold in folds.items() if fold.left or index[f] in conflicts}
    _tell(folds, again)
    return [one for one in taken if any(a.fingerprint in again for a in one.alerts)]


def _fold(parts: Parts, record: Record | None, alerts: Sequence[tuple[Alert, Taken]], seen: set[str]) -> _Fold:
    fold = _Fold(record, record.incident if record else None, [], [])
    for alert, one in alerts:
        after, change = advance(fold.incident, alert, seen, parts.reopen_within)
        if change is Change.RECURRED and fold.incident is not (record.incident if record else None):
            fold.left = True
            break
        fold.incident = after
        fold.changes.append((change, one.trace))
        if after is not None and change in steps.MARKS:
            fold.steps.append(steps.of_change(change, alert, after, one.accepted_at, one.trace))
        if change is not Change.DUPLICATE:
            seen.add(alert.event_id)
            fold.event_ids.append(alert.event_id)
    return fold


def _item(parts: Parts, fingerprint: str, fold: _Fold, trace: str, now: datetime) -> Item:
    before = fold.record.incident if fold.record else None
    changed = fold.incident is not before
    repeated = [trace for change, trace in fold.changes if change is Change.DUPLICATE]
    canaries = parts.audience_of_canaries()
    heard_by = audience(parts.routes, parts.sinks, fold.incident, canaries) if changed and fold.incident else ()
    return Item(
        fingerprint=fingerprint,
        revision=fold.record.revision if fold.record else 0,
        incident=fold.incident if changed else None,
        dues=_dues(parts, fold, fold.incident, heard_by, now) if changed and fold.incident else [],
        event_ids=fold.event_ids,
        trace=trace,
        steps=[*fold.steps, *_routed(parts, fold, heard_by, now)],
        repeated=Repeated(len(repeated), now, repeated[-1]) if repeated else None,
        recoveries=list(_recoveries(parts, fold.incident, now)) if changed and fold.incident else [],
    )


def _routed(parts: Parts, fold: _Fold, heard_by: Sequence[str], now: datetime) -> Iterator[Step]:
    """Yield where the incident goes, when that was decided anew, and what holds it back from there."""
    before, incident = fold.record.incident if fold.record else None, fold.incident
    if incident is None or not incident.open or incident is before:
        return
    anew = steps.routed_anew(parts.routes, before, incident)
    if not anew and not fold.steps:
        return
    if anew:
        yield steps.of_routes(parts.routes, heard_by, incident, now)
    if anew or any(change is Change.REOPENED for change, _ in fold.changes):
        yield from (steps.of_recovery(one, incident, now) for one in _recoveries(parts, incident, now))
    told = _told(fold, incident)
    for destination in heard_by:
        if destination in parts.thresholds and destination not in told:
            gate = steps.of_threshold(destination, parts.threshold(destination, incident.id), incident, now)
            yield from [gate] if gate else []


def _dues(parts: Parts, fold: _Fold, incident: Incident, heard_by: Sequence[str], now: datetime) -> list[Due]:
    """Return which destinations are to hear of the incident as it is now, and when."""
    told = _told(fold, incident)
    rejected = fold.record.rejected if fold.record else frozenset()
    telling = any(change.worth_telling for change, _ in fold.changes) or _another_severity(fold, incident)
    dues = []
    for destination in dict.fromkeys([*heard_by, *sorted(told)]):
        if destination not in parts.sinks:
            continue
        if destination in rejected and not telling:
            delay = None
        elif destination not in told:
            when = due_at(parts.threshold(destination, incident.id), incident, now)
            delay = None if when is None else max(when - now, timedelta())
        elif telling:
            delay = timedelta()
        else:
            delay = parts.repeat_every if parts.sinks[destination].tells_repeats else None
        if delay is not None:
            dues.append(Due(destination, delay or -HEAD_START * incident.severity.rank))
    return dues


def _another_severity(fold: _Fold, incident: Incident) -> bool:
    """Return whether the severity changed, though that is not told when the statement came late."""
    return fold.record is not None and fold.record.incident.severity is not incident.severity


def _recoveries(parts: Parts, incident: Incident, now: datetime) -> Iterator[Wanted]:
    """Yield which recovery actions are to be tried against the incident as it is now, and when."""
    if parts.recovery is None:
        return
    for name in remedies(parts.routes, parts.recovery.actions, incident):
        when = recovery.due_at(parts.recovery.guards[name], incident, now)
        if when is not None:
            yield Wanted(name, max(when - now, timedelta()), recovery.spell_of(incident))


def _told(fold: _Fold, incident: Incident) -> set[str]:
    """Return the destinations that know of the incident already, or are on the way to."""
    record = fold.record
    if record is None or record.incident.number != incident.number:
        return set()
    return {*record.receipts, *record.attempted, *record.standing_in}


def _counts(folds: dict[str, _Fold], taken: Sequence[Taken]) -> dict[str, int]:
    changes = Counter(change for f, fold in folds.items() if not is_canary(f) for change, _ in fold.changes)
    return {f"change:{change}": n for change, n in changes.items()} | {"ingested": len(taken)}


def _tell(folds: dict[str, _Fold], again: set[str]) -> None:
    rows = [
        {"incident": fold.incident.id if fold.incident else fingerprint, "change": change, "trace_id": trace}
        for fingerprint, fold in folds.items()
        if fingerprint not in again
        for change, trace in fold.changes
    ]
    logs.several(log, "ingested", rows)
