"""What senders say: problems of three sources, each with a life of its own, as the requests they would make."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.domain.alert import Alert, Status
from bridge.ports import Request, Source
from bridge.sandbox.sns import LocalSns
from bridge.sources.cloudwatch_sample import sample_alarm
from bridge.sources.sentry import SIGNATURE, signature

SENTRY_ISSUE = b"5120047731"
LEVELS = (b"warning", b"error", b"fatal")
TAGS = ("warning", "error", "critical")


@dataclass(frozen=True)
class Said:
    """One request, and the statements in it."""

    source: str
    headers: dict[str, str]
    body: bytes
    alerts: list[Alert]


@dataclass
class Problem:
    """One made-up problem of a source: its number names it."""

    source: str
    number: int
    open: bool = False
    began: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    severity: int = 1


class Voice:
    """Speaks for the senders: makes requests that the sources prove and parse."""

    def __init__(self, sources: dict[str, Source], sns: LocalSns, topic: str) -> None:
        self._sources = sources
        self._sns = sns
        self._topic = topic
        self._last = datetime(2000, 1, 1, tzinfo=UTC)

    def say(self, problem: Problem, status: Status) -> Said:
        """Return the request in which a problem of Sentry or CloudWatch fires (again) or is resolved, now."""
        now = self._now()
        if problem.source == "sentry":
            return self._said("sentry", *self._sentry(problem, status, now))
        return self._said("cloudwatch", *self._cloudwatch(problem, status, now))

    def say_all(self, problems: list[tuple[Problem, Status]]) -> Said:
        """Return one request of Alertmanager about several problems."""
        sample = self._sources["alertmanager"].sample(Status.FIRING, self._now())
        group: dict[str, Any] = json.loads(sample.body)
        (one,) = group["alerts"]
        group["alerts"] = [self._prometheus(one, problem, status) for problem, status in problems]
        firing = any(status is Status.FIRING for _, status in problems)
        body = json.dumps(group | {"status": "firing" if firing else "resolved"}).encode()
        return self._said("alertmanager", sample.headers, body)

    def _now(self) -> datetime:
        """Return the time, never the same twice: to the millisecond, as CloudWatch writes it."""
        now = datetime.now(UTC)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return self._last

    def _said(self, source: str, headers: dict[str, str], body: bytes) -> Said:
        request = Request(headers=headers, body=body, received_at=self._last)
        alerts = self._sources[source].parse(request)
        assert isinstance(alerts, list)
        assert alerts
        return Said(source, headers, body, alerts)

    def _prometheus(self, sample: dict[str, Any], problem: Problem, status: Status) -> dict[str, Any]:
        if status is Status.FIRING and not problem.open:
            problem.began = self._now()
        severity = TAGS[problem.number % 3]
        labels = sample["labels"] | {"alertname": f"Fault{problem.number}", "severity": severity}
        ended = self._now().isoformat() if status is Status.RESOLVED else "0001-01-01T00:00:00Z"
        return sample | {
            "labels": labels,
            "annotations": {"summary": f"problem {problem.number}"},
            "fingerprint": f"{problem.number:016x}",
            "status": status.value,
            "startsAt": problem.began.isoformat(),
            "endsAt": ended,
        }

    def _sentry(self, problem: Problem, status: Status, now: datetime) -> tuple[dict[str, str], bytes]:
        sample = self._sources["sentry"].sample(status, now)
        body = sample.body.replace(SENTRY_ISSUE, b"%d" % (6_000_000_000 + problem.number))
        level = LEVELS[problem.severity]
        body = body.replace(b'"level":"error"', b'"level":"%s"' % level).replace(
            b'["level","error"]', b'["level","%s"]' % level
        )
        body = re.sub(rb'"event_id":"[0-9a-f]{32}"', b'"event_id":"%016x%016x"' % (problem.number, _micros(now)), body)
        return sample.headers | {SIGNATURE: signature(b"sentry-secret", body).decode()}, body

    def _cloudwatch(self, problem: Problem, status: Status, now: datetime) -> tuple[dict[str, str], bytes]:
        alarm = json.loads(sample_alarm(self._topic, status, now))
        name = f"fault-{problem.number}"
        alarm |= {"AlarmName": name, "AlarmArn": alarm["AlarmArn"].rpartition(":")[0] + f":{name}"}
        alarm["AlarmTags"] |= {"severity": TAGS[problem.severity]}
        body = self._sns.notification(self._topic, f"{name} in trouble", json.dumps(alarm), now)
        headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
        return headers, body


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def life(dice: random.Random, length: int) -> Iterator[str]:
    """Yield what happens to a problem: fire, again, same (the same request once more), worse, resolve."""
    yield "fire"
    firing = True
    for _ in range(length - 1):
        step = dice.choices(("again", "same", "worse", "resolve"), (5, 3, 1, 2))[0] if firing else "fire"
        if not firing and dice.random() < 0.5:
            step = "same"
        yield step
        firing = {"resolve": False, "fire": True}.get(step, firing)
    if firing and dice.random() < 0.8:
        yield "resolve"
