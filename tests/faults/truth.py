"""What has to be true once the storm is over."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from bridge.domain.alert import Alert, Status
from bridge.domain.incident import Incident
from bridge.pipeline.audience import about
from bridge.sandbox.jira.state import Issue
from bridge.sandbox.slack_workspace import SlackMessage
from bridge.sinks.jira import text
from bridge.sinks.jira.options import PRIORITIES
from bridge.sinks.slack.history import ENTRY, INCIDENT
from bridge.store.deadletters import DeadLetters
from bridge.store.incidents import Incidents, Record
from bridge.store.keyspace import Keyspace
from tests.faults.senders import Ledger
from tests.faults.stand import Stand

DESTINATIONS = ("oncall", "tickets")
_COUNT = re.compile(r"\*Count\*\\n(\d+)")
_SEVERITY = re.compile(r"\*Severity\*\\n(\w+)")


@dataclass
class Findings:
    """What was found wrong, by kind; and how much was looked at."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def check(self, what: str, true: bool, detail: object) -> None:
        """Count a check, and keep it when it failed."""
        self.seen[what] += 1
        if not true:
            self.wrong.setdefault(what, []).append(str(detail))


def unrest(client: redis.Redis) -> dict[str, int]:
    """Return what is not at rest: inbox, concerns, deliveries waiting, leases held, wishes noted."""
    found = {"inbox": client.xlen("{ab}:inbox")}
    # Of what the bridge is concerned about it tells when that is over; three vanished workers are for an hour.
    found["concerns"] = len([name for name in client.hkeys("{ab}:concerns") if name != b"worker-gone:"])
    found |= {f"due at {name}": client.zcard(f"{{ab}}:due:{name}") for name in DESTINATIONS}
    fields = Counter(
        key[:1].decode() for name in client.scan_iter("{ab}:i:*", count=1000) for key in client.hkeys(name)
    )
    found |= {"attempts under way": fields["a"], "wishes noted": fields["w"]}
    return {name: int(number) for name, number in found.items() if number}


def wait_for_rest(stand: Stand, seconds: float, still: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Wait until nothing is under way; returns what was still so after that time."""
    until, left = time.monotonic() + seconds, {"everything": 1}
    with redis.Redis.from_url(stand.store_url) as client:
        while left and time.monotonic() < until:
            still()
            time.sleep(0.5)
            left = unrest(client)
    return left


def examine(stand: Stand, ledger: Ledger, deleted: set[str]) -> Findings:
    """Return what is wrong: inside against the ledger, outside against inside; people deleted some of the roots."""
    found = Findings()
    with redis.Redis.from_url(stand.store_url) as client:
        keys = Keyspace(client)
        records = {record.incident.fingerprint: record for record in Incidents(keys).each()}
        for letter in DeadLetters(keys).all():
            found.check("no dead letter is left", False, f"{letter.id} {letter.destination} {letter.reason}")
    for fingerprint, alerts in ledger.accepted.items():
        _inside(found, records.get(fingerprint), alerts, ledger.perhaps.get(fingerprint, {}))
    roots, issues = _roots(stand), _issues(stand)
    for record in records.values():
        _slack(found, record, roots.pop(record.incident.id, []), deleted)
        _jira(found, record, issues.pop(text.label_of(record.incident), []))
    for name in (*roots, *issues):
        found.check("nothing stands outside that is not inside", False, name)
    return found


def _inside(found: Findings, record: Record | None, accepted: dict[str, Alert], perhaps: dict[str, Alert]) -> None:
    found.check("what was accepted is in an incident", record is not None, accepted)
    if record is None:
        return
    incident = record.incident
    all_said = accepted | perhaps
    least, most = _firing(accepted), _firing(all_said)
    found.check(
        "every accepted statement is counted once",
        least <= incident.count <= most,
        (incident.id, incident.count, least, most),
    )
    newest = _newest(accepted)
    allowed = {newest.status, *(one.status for one in perhaps.values() if one.at >= newest.at)}
    found.check(
        "the newest accepted statement decides the status",
        incident.status in allowed,
        (incident.id, incident.status, allowed),
    )


def _firing(alerts: dict[str, Alert]) -> int:
    return sum(alert.status is Status.FIRING for alert in alerts.values())


def _newest(alerts: dict[str, Alert]) -> Alert:
    return max(alerts.values(), key=lambda one: (one.at, one.status is Status.RESOLVED))


def _roots(stand: Stand) -> dict[str, list[SlackMessage]]:
    found: dict[str, list[SlackMessage]] = {}
    for message in stand.sandbox.slack.messages():
        name = _named(message, INCIDENT)
        if message.deleted and message.replies:
            name = _named(message.replies[0], ENTRY)
        found.setdefault(name, []).append(message)
    return found


def _named(message: SlackMessage, kind: str) -> str:
    payload = message.metadata.get("event_payload")
    known = isinstance(payload, dict) and message.metadata.get("event_type") == kind
    return str(payload["incident"]) if known and isinstance(payload, dict) else f"unmarked {message.ts}"


def _issues(stand: Stand) -> dict[str, list[Issue]]:
    found: dict[str, list[Issue]] = {}
    for issue in stand.sandbox.jira.issues:
        label = next(label for label in issue.fields["labels"] if label.startswith("ab-"))
        found.setdefault(label, []).append(issue)
    return found


def _slack(found: Findings, record: Record, messages: list[SlackMessage], deleted: set[str]) -> None:
    incident = record.incident
    live = [message for message in messages if not message.deleted]
    known = record.receipts.get("oncall")
    gone = known is not None and known.handle[1] in deleted
    least = 0 if gone or known is None else 1
    found.check("one message for each incident", least <= len(live) <= 1, f"{incident.id}: {[m.ts for m in live]}")
    owed = incident.open and about(incident) != "oncall"  # of a destination's trouble only the others hear
    found.check("what is open was told", known is not None or not owed, incident.id)
    told = Counter(_entry(reply) for message in messages for reply in message.replies)
    twice = [version for version, times in told.items() if times > 1]
    found.check("no thread entry twice", not twice, f"{incident.id}: {twice}")
    if not live or gone:
        return
    (root,) = live[:1]
    found.check(
        "the message stands where the receipt says", known is not None and known.handle[1] == root.ts, incident.id
    )
    missing = {e.version for e in incident.untold(_version(root))} - set(told)
    found.check("every entry is in the thread", not missing, f"{incident.id}: {missing}")
    shown = f"{root.text} {root.attachments}"
    _shown(found, incident, shown)
    peer = record.receipts.get("tickets")
    if peer is not None and peer.link is not None:
        found.check("the message points to the issue", peer.link.url in shown, f"{incident.id} {peer.link.url}")


def _shown(found: Findings, incident: Incident, shown: str) -> None:
    count, severity = _COUNT.search(shown), _SEVERITY.search(shown)
    found.check("the message shows the state", ("RESOLVED" in shown) is not incident.open, incident.id)
    found.check(
        "the message shows the count",
        bool(count) and int(count[1]) == incident.count,
        (incident.id, incident.count, count),
    )
    found.check(
        "the message shows the severity",
        bool(severity) and severity[1] == incident.severity,
        (incident.id, incident.severity, severity),
    )


def _entry(reply: SlackMessage) -> int:
    payload = reply.metadata.get("event_payload")
    assert isinstance(payload, dict)
    return int(payload["entry"])


def _version(root: SlackMessage) -> int:
    payload = root.metadata.get("event_payload")
    assert isinstance(payload, dict)
    return int(payload["version"])


def _jira(found: Findings, record: Record, issues: list[Issue]) -> None:
    incident, known = record.incident, record.receipts.get("tickets")
    least = 0 if known is None else 1
    found.check("one issue for each incident", least <= len(issues) <= 1, f"{incident.id}: {[i.key for i in issues]}")
    owed = incident.open and about(incident) != "tickets"
    found.check("what is open has an issue", known is not None or not owed, incident.id)
    for issue in issues[:1]:
        found.check(
            "the issue has the state",
            (issue.status == "Done") is not incident.open,
            (incident.id, issue.key, issue.status),
        )
        wanted = PRIORITIES[incident.severity]
        found.check(
            "the issue has the severity",
            issue.fields["priority"] == wanted,
            f"{incident.id} {issue.key} {issue.fields['priority']} {incident.severity}",
        )
        marks = Counter(text.told([comment.body]) for comment in issue.comments)
        twice = [version for version, times in marks.items() if times > 1]
        found.check("no comment twice", not twice, f"{incident.id} {issue.key}: {twice}")
        began = text.told([issue.fields["description"]])
        missing = {e.version for e in incident.untold(began)} - set(marks)
        found.check("every entry is a comment", not missing, f"{incident.id} {issue.key}: {missing}")
