"""folding: one problem's statements of a batch → its incident, who is to hear of it, and what is written of why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from bridge.domain import recovery
from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Severity
from bridge.domain.incident import WORTH_TELLING, Change, Incident
from bridge.domain.routing import due_at
from bridge.pipeline import steps
from bridge.pipeline.audience import audience, remedies
from bridge.pipeline.parts import Parts
from bridge.store.chain import Repeated, Step
from bridge.store.inbox import Taken
from bridge.store.incidents import Due, Item, Known, Wanted

HEAD_START = timedelta(minutes=1)
"""What is due now is due that much earlier per step of severity: in a backlog the critical goes first."""
_AT_ONCE = {severity: -HEAD_START * severity.rank for severity in Severity}
_NOW = timedelta()


class Fold(msgspec.Struct):
    """One problem's alerts of a batch, on their way into its incident."""

    fingerprint: str
    known: Known | None
    before: Incident | None
    incident: Incident | None
    changes: list[Change] = []
    traces: list[str] = []
    """Of each change: the trace id of its request."""
    event_ids: list[str] = []
    steps: list[Step] = []
    """For the incident's chain of decisions."""
    trace: str = ""
    """Of the newest request."""
    left: bool = False
    """True when alerts remain for the next round: one commit can't write two incidents of one problem."""

    def told(self, incident: Incident) -> frozenset[str]:
        """Return the destinations that know of the incident already, or are on the way to."""
        known = self.known
        return known.told if known is not None and known.incident.number == incident.number else frozenset()


def fold_in(
    fingerprint: str, known: Known | None, alerts: Sequence[tuple[Alert, Taken]], seen: set[str], within: timedelta
) -> Fold:
    """Return what a problem's alerts do to its incident; `seen` gets their event ids."""
    before = known.incident if known else None
    fold = Fold(fingerprint, known, before, before, trace=alerts[-1][1].trace)
    for alert, one in alerts:
        after, change = advance(fold.incident, alert, seen, within)
        if change is Change.RECURRED and fold.incident is not before:
            fold.left = True
            break
        fold.incident = after
        fold.changes.append(change)
        fold.traces.append(one.trace)
        if after is not None and change in steps.MARKS:
            fold.steps.append(steps.of_change(change, alert, after, one.accepted_at, one.trace))
        if change is not Change.DUPLICATE:
            seen.add(alert.event_id)
            fold.event_ids.append(alert.event_id)
    return fold


def item_of(parts: Parts, fold: Fold, now: datetime) -> Item:
    """Return a problem's part of the commit."""
    incident = fold.incident if fold.incident is not fold.before else None
    heard_by = audience(parts.routes, parts.sinks, incident, parts.audience_of_canaries()) if incident else ()
    return Item(
        fingerprint=fold.fingerprint,
        revision=fold.known.revision if fold.known else 0,
        incident=incident,
        dues=list(_dues(parts, fold, incident, heard_by, now)) if incident else [],
        event_ids=fold.event_ids,
        back=incident is not None and incident.open and fold.before is not None and not fold.before.open,
        trace=fold.trace,
        steps=[*fold.steps, *_routed(parts, fold, incident, heard_by, now)] if incident else fold.steps,
        repeated=_repeated(fold, now) if Change.DUPLICATE in fold.changes else None,
        recoveries=list(_recoveries(parts, incident, now)) if incident else [],
    )


def _repeated(fold: Fold, now: datetime) -> Repeated:
    traces = [trace for change, trace in zip(fold.changes, fold.traces, strict=True) if change is Change.DUPLICATE]
    return Repeated(len(traces), now, traces[-1])


def _routed(parts: Parts, fold: Fold, incident: Incident, heard_by: Sequence[str], now: datetime) -> Iterator[Step]:
    """Yield where the incident goes, when that was decided anew, and what holds it back from there."""
    if not incident.open:
        return
    anew = steps.routed_anew(parts.routes, fold.before, incident)
    if not anew and not fold.steps:
        return
    if anew:
        yield steps.of_routes(parts.routes, heard_by, incident, now)
    if anew or Change.REOPENED in fold.changes:
        yield from (steps.of_recovery(one, incident, now) for one in _recoveries(parts, incident, now))
    told = fold.told(incident)
    for destination in heard_by:
        if destination in parts.thresholds and destination not in told:
            threshold = parts.threshold(destination, incident.fingerprint)
            gate = steps.of_threshold(destination, threshold, incident, now)
            yield from [gate] if gate else []


def _dues(parts: Parts, fold: Fold, incident: Incident, heard_by: Sequence[str], now: datetime) -> Iterator[Due]:
    """Yield which destinations are to hear of the incident as it is now, and when."""
    told, telling = fold.told(incident), _telling(fold, incident)
    rejected = fold.known.rejected if fold.known and not telling else ()
    for destination in dict.fromkeys([*heard_by, *sorted(told)]) if told else heard_by:
        if destination not in parts.sinks or destination in rejected:
            continue
        if destination not in told:
            when = due_at(parts.threshold(destination, incident.fingerprint), incident, now)
            delay = None if when is None else max(when - now, _NOW)
        elif telling:
            delay = _NOW
        else:
            delay = parts.repeat_every if parts.sinks[destination].tells_repeats else None
        if delay is not None:
            yield Due(destination, delay or _AT_ONCE[incident.severity])


def _telling(fold: Fold, incident: Incident) -> bool:
    """Return whether people should hear of it: also of another severity, though the statement that said so was late."""
    if not WORTH_TELLING.isdisjoint(fold.changes):
        return True
    return fold.before is not None and fold.before.severity is not incident.severity


def _recoveries(parts: Parts, incident: Incident, now: datetime) -> Iterator[Wanted]:
    """Yield which recovery actions are to be tried against the incident as it is now, and when."""
    if parts.recovery is None:
        return
    for name in remedies(parts.routes, parts.recovery.actions, incident):
        when = recovery.due_at(parts.recovery.guards[name], incident, now)
        if when is not None:
            yield Wanted(name, max(when - now, _NOW), recovery.spell_of(incident))
