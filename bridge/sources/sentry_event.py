"""Sentry's `event_alert` and `error`: one event of an issue becomes a firing alert."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from itertools import islice

import msgspec

from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint, from_epoch
from bridge.domain.words import clip
from bridge.ports import Ignored, Parsed, Request, Unparseable
from bridge.sources.sentry_payload import Event, EventHook, Frame, Raised
from bridge.sources.sentry_reading import (
    believed,
    decoded,
    one_line,
    present,
    statement_id,
    web_address,
)

TAGS_LIMIT = 64
FRAMES_LIMIT = 8
EVIDENCE_LIMIT = 10
_DECODER = msgspec.json.Decoder(EventHook)
_PROJECT_IN_URL = re.compile(r"/projects/[^/]+/([^/]+)/events/")
_ISSUE_IN_URL = re.compile(r"/issues/([^/?#]+)")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_PERSONAL = re.compile(r"^user|(?:^|[._-])(?:ip|ip_address|email|mail|username|phone)(?:$|[._-])", re.IGNORECASE)
"""Tags that say who, not what. What else is private in values is scrubbed later, for every source."""
_TRACE_HEADERS = frozenset(
    {
        "traceparent",
        "sentry-trace",
        "baggage",
        "x-amzn-trace-id",
        "b3",
        "x-b3-traceid",
        "x-cloud-trace-context",
        "uber-trace-id",
        "x-datadog-trace-id",
        "x-datadog-tags",
        "x-trace-id",
    }
)


def event_alert(name: str, request: Request) -> Parsed:
    """Return the alert of an issue alert rule that was triggered."""
    hook = decoded(_DECODER, request.body)
    if hook.action != "triggered":
        return unheard("event_alert", hook.action)
    event = hook.data.event if hook.data else None
    if event is None or hook.data is None:
        raise mismatch("event_alert", "data.event")
    return [_alert(name, request, event, rule=hook.data.triggered_rule)]


def error(name: str, request: Request) -> Parsed:
    """Return the alert of an error event, whatever the rules say."""
    hook = decoded(_DECODER, request.body)
    if hook.action != "created":
        return unheard("error", hook.action)
    event = hook.data.error if hook.data else None
    if event is None:
        raise mismatch("error", "data.error")
    return [_alert(name, request, event, rule=None)]


def unheard(resource: str, action: str | None) -> Ignored:
    """Return the answer to an action that says nothing about a problem; raise Unparseable if there is none."""
    if not action:
        raise Unparseable('the body has no "action": is the sender a Sentry integration?')
    return Ignored(f"action {one_line(action, 40)} of {resource} is not one that opens or resolves anything")


def mismatch(resource: str, path: str) -> Unparseable:
    """Return the error for a body that is not what the (unsigned) Sentry-Hook-Resource header says it is."""
    return Unparseable(f"Sentry-Hook-Resource says {resource}, but the body has no {path}")


def _alert(name: str, request: Request, event: Event, *, rule: str | None) -> Alert:
    issue_id = _issue_id(event)
    tags = _tags(event)
    environment = event.environment or tags.get("environment", "")
    slug = _project(event)
    trace_id, carriers = _trace(event)
    key = (event.event_id or "").replace("-", "").lower()
    return Alert(
        source=name,
        fingerprint=fingerprint(name, "issue", issue_id),
        # The same event through several rules, and as event_alert and error, is one statement.
        event_id=event_id("event", key) if key else statement_id("event", "", request),
        status=Status.FIRING,
        severity=Severity.from_word(event.level or tags.get("level", ""), Severity.ERROR),
        at=_at(event, request),
        title=_title(event) or f"Sentry issue {issue_id}",
        summary=_summary(event),
        details=_stack(event),
        service=tags.get("service") or slug,
        environment=one_line(environment, 100),
        url=web_address(event.web_url),
        labels=_labels(event, tags, rule, slug),
        facts=_facts(event, rule),
        trace_id=trace_id,
        carriers=carriers,
    )


def _issue_id(event: Event) -> str:
    if event.issue_id not in (None, ""):
        return str(event.issue_id)
    for url in (event.issue_url, event.web_url):
        found = _ISSUE_IN_URL.search(url or "")
        if found:
            return found[1]
    raise Unparseable("the event has neither issue_id nor issue_url: it can't be told which problem it is about")


def _project(event: Event) -> str:
    """Return the slug: events have only the project's number, but their API address has the slug."""
    found = _PROJECT_IN_URL.search(event.url or "")
    return one_line(found[1], 100) if found else ""


def _at(event: Event, request: Request) -> datetime:
    """Return when Sentry received the event, else when it happened by the clock of the machine that reported it.

    That clock may be hours off: a new event must not look older than the resolution before it.
    """
    epochs = (from_epoch(s) if s and 0 < s < 1e11 else None for s in (event.received, event.timestamp))
    received, stamp = (believed(epoch, request) for epoch in epochs)
    return received or believed(event.datetime, request) or stamp or request.received_at


def _chain(event: Event) -> list[Raised]:
    return (event.exception.values if event.exception else None) or []


def _title(event: Event) -> str:
    """Return the problem's name: a monitor's own title, else Sentry's, else what was raised."""
    monitor = event.occurrence.issue_title if event.occurrence else None
    raised = _chain(event)[-1].text if _chain(event) else None
    return one_line(monitor or event.title or raised or event.message, 250)


def _summary(event: Event) -> str:
    subtitle = event.occurrence.subtitle if event.occurrence else None
    raised = _chain(event)[-1].text if _chain(event) else None
    return clip(subtitle or raised or event.message or event.culprit or "", 1000).strip()


def _stack(event: Event) -> str:
    """Return the newest frames of the exception that was raised, the application's own before the libraries'."""
    frames: list[Frame] = next(
        (e.stacktrace.frames for e in reversed(_chain(event)) if e.stacktrace and e.stacktrace.frames), []
    )
    newest = frames[::-1]
    ordered = [f for f in newest if f.in_app] + [f for f in newest if not f.in_app]
    lines = (_line(frame) for frame in ordered)
    return "\n".join(islice((line for line in lines if line), FRAMES_LIMIT))


def _line(frame: Frame) -> str:
    place = frame.filename or frame.module or ""
    if frame.lineno is not None and place:
        place += f":{frame.lineno}"
    function = f"in {frame.function}" if frame.function else ""
    return one_line(f"{place} {function}", 200)


def _tags(event: Event) -> dict[str, str]:
    """Return the first 64 tags that say nothing about a person."""
    named = ((_tag(key), one_line(_word(value), 200)) for key, value in event.tags or [] if key)
    return dict(islice(((key, value) for key, value in named if key and value), TAGS_LIMIT))


@lru_cache(1000)  # the names of tags are few
def _tag(key: str) -> str:
    """Return a tag's name as a label's; empty if it says who."""
    return "" if _PERSONAL.search(key) else one_line(key, 100)


def _word(value: str | float | bool | None) -> str:  # noqa: FBT001 - a tag's value
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _labels(event: Event, tags: dict[str, str], rule: str | None, slug: str) -> dict[str, str]:
    number = "" if event.project is None else str(event.project)
    own = {
        "level": event.level,
        "project": slug or number,
        "platform": event.platform,
        "logger": event.logger,
        "rule": rule,
        "type": event.type,
    }
    return tags | present(own)


def _facts(event: Event, rule: str | None) -> dict[str, str]:
    chain = _chain(event)
    facts = {
        "Culprit": event.culprit,
        "Caused by": chain[-2].text if len(chain) > 1 else None,
        "Release": event.release,
        "Rule": rule,
    }
    evidence = (event.occurrence.evidence_display if event.occurrence else None) or []
    shown = {one_line(row.name, 60): _word(row.value) for row in evidence[:EVIDENCE_LIMIT] if row.name}
    return present(facts | {key: value for key, value in shown.items() if key not in ("", "Environment")})


def _trace(event: Event) -> tuple[str, dict[str, str]]:
    """Return the trace id of the event, or else the raw values in which one may travel."""
    trace = event.contexts.trace if event.contexts else None
    given = (trace.trace_id if trace else None) or ""
    if _TRACE_ID.fullmatch(given.lower()):
        return given.lower(), {}
    headers = (event.request.headers if event.request else None) or []
    carriers = {key.lower(): clip(value, 500) for key, value in headers if key.lower() in _TRACE_HEADERS}
    return "", {"trace_id": clip(given, 100), **carriers} if given else carriers
