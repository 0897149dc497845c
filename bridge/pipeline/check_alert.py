"""What a run of a check saw, cleaned; and what is said of it, as an alert like any sender's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from bridge.domain.alert import Alert, Link, Severity, Status, event_id, fingerprint
from bridge.domain.checkup import Record, Statement
from bridge.domain.observation import Fault, Observation
from bridge.domain.words import clip
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.enrich.trace import from_id
from bridge.pipeline.receive import cleaned
from bridge.settings.checks import PlanOptions

SOURCE = "checks"
"""Source of these alerts; no source in the config may have this name."""
LINE = 500
"""Characters of what was got, and of each fact; kinds keep far below."""
FACTS = 20
QUOTED = ("Body", "Answer")
"""Facts that are the target's own words."""
_TITLES = {
    Fault.BROKEN: "{} can't be checked",
    Fault.REFUSED: "{} can't be checked",
    Fault.BODY: "{} answers wrongly",
    Fault.CERTIFICATE: "{}: the certificate expires soon",
    Fault.SLOW: "{} is slow",
}


@dataclass(frozen=True)
class Scrubbers:
    """What takes secrets out of what a check saw: addresses are the very thing it looks at, and stay."""

    quoted: Scrubber
    """For the words of the target itself, where an address may be a visitor's."""
    rest: Scrubber

    @classmethod
    def of(cls, options: ScrubOptions) -> Scrubbers:
        """Return both by the operator's options."""
        return cls(Scrubber(options), Scrubber(options.model_copy(update={"ip": False})))


class Clean(msgspec.Struct, frozen=True):
    """What a run saw, as it may be stored."""

    seen: Observation
    redactions: int


def clean(seen: Observation, scrubbers: Scrubbers, at: datetime) -> Clean:
    """Return an observation without secrets, as webhooks are cleaned, and dated by the store's clock."""
    facts = {clip(name, 60): clip(value, LINE) for name, value in list(seen.facts.items())[:FACTS]}
    own = {name: value for name, value in facts.items() if name not in QUOTED}
    quoted = {name: value for name, value in facts.items() if name in QUOTED}
    ours = cleaned(_wrapped(at, own, seen.expected, seen.got), scrubbers.rest)
    theirs = cleaned(_wrapped(at, quoted), scrubbers.quoted)
    kept = msgspec.structs.replace(
        seen,
        at=at,
        expected=ours.title,
        got=ours.summary,
        facts={**facts, **ours.facts, **theirs.facts},  # in their order
        trace_id=from_id(seen.trace_id),
    )
    return Clean(kept, ours.redactions + theirs.redactions)


def _wrapped(at: datetime, facts: Mapping[str, str], expected: str = "", got: str = "") -> Alert:
    """Return texts as an alert, which is what is cleaned."""
    return Alert(
        source=SOURCE,
        fingerprint="",
        event_id="",
        status=Status.NOTED,
        severity=Severity.INFO,
        at=at,
        title=clip(expected, LINE),
        summary=clip(got, LINE),
        facts=dict(facts),
    )


def alert_of(
    name: str, target: str, plan: PlanOptions, statement: Statement, scrubbers: Scrubbers, redactions: int = 0
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
        url=target.partition("?")[0] if target.startswith(("http://", "https://")) else "",
        labels={**plan.labels, "check": name, "fault": record.fault or ""},
        facts=_facts(record, seen),
        links=(Link("Runbook", plan.runbook),) if plan.runbook else (),
        trace_id=seen.trace_id,
        redactions=redactions,
    )
    return scrubbers.rest.scrub(alert)


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
    """Return the text with a capital, unless it begins with a host's name, which is not to be changed."""
    return text if "." in text.partition(" ")[0] else text[:1].upper() + text[1:]
