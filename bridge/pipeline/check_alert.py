"""What a run of a check saw, cleaned; and what is said of it, as an alert like any sender's."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bridge.domain.alert import Alert, Link, Severity, Status, event_id, fingerprint
from bridge.domain.checkup import Record, Statement
from bridge.domain.observation import Fault, Observation
from bridge.domain.words import clip
from bridge.enrich.scrub import Scrubber
from bridge.enrich.trace import from_id
from bridge.pipeline.receive import cleaned
from bridge.settings.checks import PlanOptions

SOURCE = "checks"
"""Source of these alerts; no source in the config may have this name."""
LINE = 500
"""Characters of what was got, and of each fact; kinds keep far below."""
FACTS = 20
_TITLES = {
    Fault.BROKEN: "{} can't be checked",
    Fault.REFUSED: "{} can't be checked",
    Fault.BODY: "{} answers wrongly",
    Fault.CERTIFICATE: "{}: the certificate expires soon",
    Fault.SLOW: "{} is slow",
}


class Clean(msgspec.Struct, frozen=True):
    """What a run saw, as it may be stored."""

    seen: Observation
    redactions: int


def clean(seen: Observation, scrubber: Scrubber, at: datetime) -> Clean:
    """Return an observation without secrets, as webhooks are cleaned, and dated by the store's clock."""
    facts = {clip(name, 60): clip(value, LINE) for name, value in list(seen.facts.items())[:FACTS]}
    given = Alert(
        source=SOURCE,
        fingerprint="",
        event_id="",
        status=Status.NOTED,
        severity=Severity.INFO,
        at=at,
        title=clip(seen.expected, LINE),
        summary=clip(seen.got, LINE),
        facts=facts,
    )
    alert = cleaned(given, scrubber)
    kept = msgspec.structs.replace(
        seen, at=at, expected=alert.title, got=alert.summary, facts=alert.facts, trace_id=from_id(seen.trace_id)
    )
    return Clean(kept, alert.redactions)


def alert_of(
    name: str, target: str, plan: PlanOptions, statement: Statement, scrubber: Scrubber, redactions: int = 0
) -> Alert:
    """Return a statement about a check's target as an alert."""
    seen, record = statement.seen, statement.record
    alert = Alert(
        source=SOURCE,
        fingerprint=fingerprint(SOURCE, name),
        event_id=event_id(SOURCE, name, statement.status, seen.at.isoformat()),
        status=statement.status,
        severity=plan.severity,
        at=statement.at,
        title=_TITLES.get(record.fault or Fault.STATUS, "{} is down").format(name),
        summary=_failing(record, seen) if statement.status is Status.FIRING else _recovered(record, seen),
        service=plan.service,
        environment=plan.environment,
        url=target if target.startswith(("http://", "https://")) else "",
        labels={**plan.labels, "check": name, "fault": record.fault or ""},
        facts=_facts(record, seen),
        links=(Link("Runbook", plan.runbook),) if plan.runbook else (),
        trace_id=seen.trace_id,
        redactions=redactions,
    )
    return scrubber.scrub(alert)


def farewell(name: str, now: datetime) -> Alert:
    """Return the statement that ends the incident of a check that was taken out of the config."""
    return Alert(
        source=SOURCE,
        fingerprint=fingerprint(SOURCE, name),
        event_id=event_id(SOURCE, name, "removed", now.isoformat()),
        status=Status.RESOLVED,
        severity=Severity.INFO,
        at=now,
        title=f"{name} is no longer checked",
        summary="it is no longer checked: no worker has it in its config any more",
        labels={"check": name},
    )


def _failing(record: Record, seen: Observation) -> str:
    expected = f"; expected {seen.expected}" if seen.expected else ""
    return f"{_sentence(seen.got)}{expected}. {_runs(record)}."


def _runs(record: Record) -> str:
    if record.row == record.failed:
        return "One run failed" if record.row == 1 else f"{record.row} runs in a row failed"
    return (
        f"{record.failed} runs failed, the last {record.row} in a row"
        if record.row > 1
        else f"{record.failed} runs failed"
    )


def _recovered(record: Record, seen: Observation) -> str:
    failed = f"{record.failed} run{'s' * (record.failed != 1)} failed"
    return f"{failed}; now {seen.got}" if seen.got else failed


def _facts(record: Record, seen: Observation) -> dict[str, str]:
    """Return what this run saw; what only earlier ones saw is emptied, or the incident would go on showing it."""
    return {**seen.facts, **{name: "" for name in record.facts if name not in seen.facts}}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
