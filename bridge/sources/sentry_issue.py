"""Sentry's `issue`: an issue was created, resolved, archived, assigned or came back."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint
from bridge.domain.words import clip
from bridge.ports import Parsed, Request, Unparseable
from bridge.sources.sentry_event import mismatch, unheard
from bridge.sources.sentry_payload import Actor, Issue, IssueHook, StatusDetails
from bridge.sources.sentry_reading import (
    believed,
    decoded,
    one_line,
    present,
    spoken_time,
    statement_id,
    told_at,
    web_address,
)

_DECODER = msgspec.json.Decoder(IssueHook)
_STATUS = {
    "created": Status.FIRING,
    "unresolved": Status.FIRING,
    "resolved": Status.RESOLVED,
    # One and the same: old subscriptions say `ignored`, the documentation says `archived`.
    "ignored": Status.RESOLVED,
    "archived": Status.RESOLVED,
    "assigned": Status.NOTED,
}
_RESOLUTIONS = {
    "now": "",
    "in_next_release": "in the next release",
    "in_upcoming_release": "in the upcoming release",
    "in_release": "in a release",
    "in_commit": "in a commit",
    "with_commit": "with a commit",
    "with_pull_request": "with a pull request",
}
_ARCHIVED = {"archived_until_escalating": "until it escalates", "archived_forever": "for good"}


def issue(name: str, request: Request) -> Parsed:
    """Return the alert that a change of an issue's state is."""
    hook = decoded(_DECODER, request.body)
    action = hook.action or ""
    if action not in _STATUS:
        return unheard("issue", hook.action)
    subject = hook.data.issue if hook.data else None
    if subject is None:
        raise mismatch("issue", "data.issue")
    if subject.id in (None, ""):
        raise Unparseable("data.issue has no id: it can't be told which problem it is about")
    return [_alert(name, request, action, hook, subject)]


def _alert(name: str, request: Request, action: str, hook: IssueHook, subject: Issue) -> Alert:
    number = str(subject.id)
    slug = one_line(subject.project.slug if subject.project else None, 100)
    return Alert(
        source=name,
        fingerprint=fingerprint(name, "issue", number),
        # An issue is created once; every other state it can enter again.
        event_id=event_id("created", number) if action == "created" else statement_id("issue", action, request),
        status=_STATUS[action],
        severity=Severity.from_word(subject.level or "", Severity.ERROR),
        at=_at(action, subject, request),
        title=_title(subject) or f"Sentry issue {number}",
        summary=_summary(action, hook, subject),
        service=slug,
        url=web_address(subject.web_url, subject.permalink),
        labels=_labels(subject, slug),
        facts=_facts(action, subject),
    )


def _at(action: str, subject: Issue, request: Request) -> datetime:
    """Return when the issue entered this state; only its creation is dated in the body itself."""
    if action == "created":
        return believed(subject.first_seen, request) or told_at(request, None)
    return told_at(request, subject.last_seen)


def _raised(subject: Issue) -> str:
    known = subject.metadata
    return ": ".join(part for part in (known.type, known.value) if part) if known else ""


def _title(subject: Issue) -> str:
    named = subject.metadata.title if subject.metadata else None
    return one_line(subject.title or _raised(subject) or named or subject.short_id, 250)


def _summary(action: str, hook: IssueHook, subject: Issue) -> str:
    match _STATUS[action]:
        case Status.FIRING:
            return clip(_raised(subject) or subject.culprit or "", 1000).strip()
        case Status.NOTED:
            given = hook.data.assignee if hook.data else None
            return _assigned(given or subject.assigned_to)
        case Status.RESOLVED if action == "resolved":
            resolution = hook.data.resolution_type if hook.data else None
            return ", ".join(part for part in (_by(hook.actor), _resolved(resolution, subject)) if part)
        case Status.RESOLVED:
            words = ("archived in Sentry", _by(hook.actor), _archived(subject))
            return " ".join(word for word in words if word)


def _assigned(assignee: Actor | None) -> str:
    if assignee is None:
        return "assignment changed in Sentry"
    return f"assigned to {assignee.spoken or 'someone'}"


def _by(actor: Actor | None) -> str:
    return f"by {actor.spoken}" if actor and actor.spoken else ""


def _resolved(resolution: str | None, subject: Issue) -> str:
    release = subject.status_details.in_release if subject.status_details else None
    if release:
        return one_line(f"in release {release}", 120)
    known = resolution or "now"
    return _RESOLUTIONS.get(known, one_line(known.replace("_", " "), 80))


def _archived(subject: Issue) -> str:
    """Return until when the issue is archived, in words."""
    conditions = _conditions(subject.status_details or StatusDetails())
    if conditions:
        return "until " + " or ".join(conditions)
    return _ARCHIVED.get(subject.substatus or "", "")


def _conditions(details: StatusDetails) -> list[str]:
    until = spoken_time(details.ignore_until)
    happens = _within(details.ignore_window) if details.ignore_count else ""
    hits = _within(details.ignore_user_window) if details.ignore_user_count else ""
    conditions = [
        until,
        f"{details.ignore_duration} min have passed" if details.ignore_duration and not until else "",
        f"it happens {details.ignore_count} more times{happens}" if details.ignore_count else "",
        f"it affects {details.ignore_user_count} more users{hits}" if details.ignore_user_count else "",
    ]
    return [condition for condition in conditions if condition]


def _within(minutes: int | None) -> str:
    return f" within {minutes} min" if minutes else ""


def _labels(subject: Issue, slug: str) -> dict[str, str]:
    return present(
        {
            "level": subject.level,
            "project": slug,
            "platform": subject.platform,
            "logger": subject.logger,
            "type": subject.type,
            "category": subject.issue_category,
            "priority": subject.priority,
        }
    )


def _facts(action: str, subject: Issue) -> dict[str, str]:
    archived = action in ("ignored", "archived")
    return present(
        {
            "Culprit": subject.culprit,
            "Users in Sentry": _number(subject.user_count),
            "Events in Sentry": _number(subject.count),
            "Short id": subject.short_id,
            "Assigned to": subject.assigned_to.spoken if subject.assigned_to else None,
            "Archived in Sentry": (_archived(subject) or "yes") if archived else None,
            "State in Sentry": subject.substatus if subject.substatus in ("regressed", "escalating") else None,
        }
    )


def _number(given: str | int | None) -> str | None:
    """Return a count as text: Sentry sends `count` as a string and `userCount` as a number."""
    return None if given is None else str(given)
