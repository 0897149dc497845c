"""What is said of heartbeats: a verdict as an alert, a plan and a time as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.domain.alert import Alert, Link, Severity, Status, event_id, fingerprint
from bridge.domain.heartbeat import Plan, Record, Trouble, Verdict, Why
from bridge.domain.ping import Kind, Ping
from bridge.domain.words import clip, duration

SOURCE = "heartbeats"
"""The source of these alerts; a reserved name."""
HEARTBEAT, QUIET = "heartbeat", "source"
"""What the names of pings begin with: of heartbeats, and of sources that have to speak now and then."""
LINE_LIMIT, DETAILS_LIMIT = 200, 4000


def said(plan: Plan, verdict: Verdict, now: datetime) -> Alert | None:
    """Return the statement that follows from a verdict; None if nothing is to be said."""
    record = verdict.record
    if verdict.fell is not None:
        return _fell(plan, record, verdict.fell)
    if verdict.rose is None:
        return None
    came = record.last.at if record.last else now
    return _over(plan, record, max(came, verdict.rose.since), _rose(plan, verdict.rose, came))


def dismissed(plan: Plan, record: Record, now: datetime) -> Alert | None:
    """Return the statement that ends the trouble of what is watched no longer; None if it has none."""
    if record.trouble is None:
        return None
    return _over(plan, record, max(now, record.trouble.since), "it is no longer watched: the config has it no more")


def title(plan: Plan) -> str:
    """Return the name of the problem, whatever is wrong."""
    kind, _, name = plan.name.partition(":")
    return f"Source {name} went quiet" if kind == QUIET else f"Heartbeat {name} is down"


def rhythm(plan: Plan) -> str:
    """Return when pings are expected: "every 1 h", "0 3 * * * (Asia/Seoul), 1 h of grace"."""
    when = f"{plan.cron} ({plan.timezone})" if plan.cron else f"every {duration(plan.every)}"
    return f"{when}, {duration(plan.grace)} of grace" if plan.grace else when


def shown(at: datetime, plan: Plan) -> str:
    """Return a time in the plan's timezone."""
    return at.astimezone(ZoneInfo(plan.timezone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def outcome(ping: Ping) -> str:
    """Return what a ping says: "success", "exit status 3"."""
    return f"exit status {ping.exit_status}" if ping.kind is Kind.EXIT else str(ping.kind)


def _alert(plan: Plan, status: Status, at: datetime, *about: str, summary: str, **more: object) -> Alert:
    kind, _, name = plan.name.partition(":")
    fields: dict[str, object] = {
        "source": SOURCE,
        "fingerprint": fingerprint(SOURCE, plan.name),
        "event_id": event_id(SOURCE, plan.name, status, *about),
        "status": status,
        "severity": plan.severity if status is Status.FIRING else Severity.INFO,
        "at": at,
        "title": title(plan),
        "summary": summary,
        "service": plan.service or name,
        "environment": plan.environment,
        "labels": plan.labels | {"quiet_source" if kind == QUIET else "heartbeat": name},
        "links": (Link("Runbook", plan.runbook),) if plan.runbook else (),
        **more,
    }
    return Alert(**fields)  # type: ignore[arg-type]  # fields by name


def _fell(plan: Plan, record: Record, trouble: Trouble) -> Alert:
    failed = trouble.why is Why.FAILED
    at = record.last.at if failed and record.last else trouble.since
    about = (str(record.episode), str(trouble.why), at.isoformat())
    details = clip(_body(record), DETAILS_LIMIT)
    summary = _summary(plan, record, trouble)
    return _alert(
        plan, Status.FIRING, at, *about, summary=summary, details=details, facts=_facts(plan, record, trouble)
    )


def _over(plan: Plan, record: Record, at: datetime, summary: str) -> Alert:
    return _alert(plan, Status.RESOLVED, at, str(record.episode), at.isoformat(), summary=summary)


def _summary(plan: Plan, record: Record, trouble: Trouble) -> str:
    quiet = plan.name.startswith(f"{QUIET}:")
    if trouble.why is Why.FAILED and record.last is not None:
        return _failure(record.last)
    if trouble.why is Why.UNFINISHED and record.start is not None:
        return f"It started at {shown(record.start.at, plan)} and did not end within {duration(plan.grace)}."
    what = "request" if quiet else "ping"
    if record.last is None:
        return f"No {what} since it is watched ({shown(record.since, plan)}); expected: {rhythm(plan)}."
    gap = duration(trouble.since - record.last.at)
    return f"No {what} for {gap}; expected: {rhythm(plan)}."


def _failure(ping: Ping) -> str:
    first = next((line.strip() for line in ping.body.splitlines() if line.strip()), "")
    how = f"It ended with {outcome(ping)}" if ping.kind is Kind.EXIT else "It said that it failed"
    return f"{how}: {clip(first, LINE_LIMIT)}" if first else f"{how}."


def _body(record: Record) -> str:
    """Return the newest body there is, of an end or a note."""
    told = [ping for ping in (*record.ends[-1:], *record.notes[-1:]) if ping.body]
    return max(told, key=lambda ping: ping.at).body if told else ""


def _facts(plan: Plan, record: Record, trouble: Trouble) -> dict[str, str]:
    """Return what else is known; what the summary says is not said again."""
    last, took = record.last, record.took
    succeeded = next((end for end in reversed(record.ends) if not end.failed), None)
    facts = {} if trouble.why is Why.MISSING else {"Expected": rhythm(plan)}
    if last is not None:
        facts["Last ping"] = f"{shown(last.at, plan)}, {outcome(last)}"
    if last is not None and last.failed and succeeded is not None:
        facts["Last success"] = shown(succeeded.at, plan)
    if took is not None:
        facts["Duration of the last run"] = _precise(took)
    if last is not None and last.run:
        facts["Run"] = last.run
    return facts


def _precise(span: timedelta) -> str:
    return duration(span) if span >= timedelta(seconds=1) else f"{span / timedelta(milliseconds=1):.0f} ms"


def _rose(plan: Plan, trouble: Trouble, came: datetime) -> str:
    span = duration(came - trouble.expected)
    if plan.name.startswith(f"{QUIET}:"):
        return f"it speaks again; a request had been missing for {span}"
    if trouble.why is Why.FAILED:
        return "it succeeded"
    if trouble.why is Why.UNFINISHED:
        return f"it succeeded, {span} after its run should have ended"
    return f"it is back; it had been missing for {span}"
