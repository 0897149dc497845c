"""What the pipeline writes into an incident's chain of decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bridge.domain.alert import Alert
from bridge.domain.incident import Change, Incident
from bridge.domain.routing import Route, Routes, Threshold, decide, due_at, labels_of
from bridge.domain.words import duration
from bridge.store.chain import Mark, Step
from bridge.store.deliveries import Lease, Settled, Settlement
from bridge.store.incidents import Wanted

MARKS = {
    Change.OPENED: Mark.OPENED,
    Change.RECURRED: Mark.RECURRED,
    Change.WORSENED: Mark.WORSENED,
    Change.EASED: Mark.EASED,
    Change.RESOLVED: Mark.RESOLVED,
    Change.REOPENED: Mark.REOPENED,
    Change.NOTED: Mark.NOTED,
    Change.LATE: Mark.LATE,
    Change.MOOT: Mark.MOOT,
}
"""Not of REPEATED and DUPLICATE: those are counted, so that an alert's cost does not grow."""
_OUTCOMES = {
    Settled.DONE: Mark.TOLD,
    Settled.WAIT: Mark.WAIT,
    Settled.RETRY: Mark.RETRY,
    Settled.UNKNOWN: Mark.UNKNOWN,
    Settled.DEAD: Mark.DEAD,
}


_texts: dict[int, tuple[Route, str]] = {}


def of_change(change: Change, alert: Alert, incident: Incident, accepted: datetime, trace: str) -> Step:
    """Return the step of what a statement did; not for a mere repeat or a duplicate, which are counted."""
    text = f"{alert.source} {trace or '-'} {incident.version}"
    return Step(at=accepted, mark=MARKS[change], count=incident.count, text=text)


def routed_anew(routes: Routes, before: Incident | None, incident: Incident) -> bool:
    """Return whether an incident begins, or takes other routes than before."""
    if before is None or before.number != incident.number or not before.count:
        return True
    if before.severity is incident.severity and before.labels is incident.labels:
        return False
    return routes.way(before).taken != routes.way(incident).taken


def of_routes(routes: Routes, heard_by: Sequence[str], incident: Incident, now: datetime) -> Step:
    """Return the step that says who hears of an incident, and by which routes, or why nobody."""
    taken = [f"routes[{index}] {_written(routes[index])}" for index in routes.way(incident).taken]
    why = "; ".join(taken or (verdict.why for verdict in decide(routes, labels_of(incident)).verdicts))
    return Step(at=now, mark=Mark.ROUTED, count=incident.count, text=f"{','.join(heard_by) or '-'} {why}")


def _written(route: Route) -> str:
    """Return a route's text; its matchers are put into words once."""
    known = _texts.get(id(route))
    if known is None or known[0] is not route:
        known = _texts[id(route)] = (route, str(route))
    return known[1]


def of_threshold(destination: str, threshold: Threshold, incident: Incident, now: datetime) -> Step | None:
    """Return the step that says what holds an incident back from a destination that knows nothing of it yet."""
    when = due_at(threshold, incident, now)
    if (when is not None and when <= now) or not incident.open:
        return None
    why = _held(threshold, incident)
    return Step(at=now, mark=Mark.GATED, where=destination, count=incident.count, until=when, text=why)


def _held(threshold: Threshold, incident: Incident) -> str:
    if incident.severity.rank < threshold.min_severity.rank:
        return f"{incident.severity} is below min_severity: {threshold.min_severity}"
    if incident.count < threshold.min_count:
        return f"heard {incident.count} times of min_count: {threshold.min_count}"
    return f"has to fire for {duration(threshold.for_)} (for)"


def of_recovery(wanted: Wanted, incident: Incident, now: datetime) -> Step:
    """Return the step that says from when on a recovery action is tried, if the incident fires until then."""
    until = now + wanted.delay
    return Step(at=now, mark=Mark.RECOVERY, count=incident.count, until=until, text=f"{wanted.action}: waits")


def of_attempt(lease: Lease, settlement: Settlement, now: datetime) -> Iterator[Step]:
    """Yield the steps of one attempt; none for a mere edit, which a repeat brings every few seconds."""
    old, new = lease.receipts.get(lease.destination), settlement.receipt
    where, count = lease.destination, lease.incident.count
    made = new is not None and (old is None or old.handle != new.handle)
    if made and new is not None:
        mark = Mark.FOUND if settlement.found else Mark.CREATED
        yield Step(at=now, mark=mark, where=where, count=count, text=" ".join(new.handle))
    if settlement.outcome is not Settled.DONE:
        until = now + settlement.delay if settlement.delay > timedelta() else None
        mark = _OUTCOMES[settlement.outcome]
        yield Step(at=now, mark=mark, where=where, count=count, until=until, text=settlement.reason)
    elif new is None:
        yield Step(at=now, mark=Mark.ENDED, where=where, count=count, text=settlement.reason)
    elif old is not None and not made:
        told = ", ".join(entry.change for entry in lease.incident.untold(old.told) if entry.version <= new.told)
        if told or lease.attempts:
            yield Step(at=now, mark=Mark.TOLD, where=where, count=count, text=told)
