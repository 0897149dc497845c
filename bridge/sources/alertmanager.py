"""Prometheus Alertmanager: webhook payload version "4", proven by a bearer token, basic auth or a secret path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import ClassVar
from urllib.parse import quote_plus

import msgspec

from bridge import settings
from bridge.domain.alert import (
    ALL_MATCHERS,
    MATCHERS,
    SENDERS_WORD,
    Alert,
    Link,
    Severity,
    Status,
    event_id,
    fingerprint,
)
from bridge.domain.words import clip
from bridge.ports import Ignored, Parsed, Request, Sample
from bridge.sources.alertmanager_payload import Payload, Statement, decoded, fnv1a
from bridge.sources.alertmanager_proof import AlertmanagerOptions, Proof

TITLE_LIMIT, TEXT_LIMIT, FACT_LIMIT = 250, 4000, 100
FUTURE = timedelta(days=1)
"""A time further ahead than this is a broken clock: the time of arrival is taken instead."""
_UNSET_UNTIL, _NEVER = 1969, 9999


class Alertmanager:
    """Alertmanager, by its webhook receiver."""

    Options: ClassVar[type[settings.Options]] = AlertmanagerOptions

    def __init__(self, name: str, options: AlertmanagerOptions) -> None:
        self._name = name
        self._default = options.default_severity
        self._proof = Proof(options)

    def needs_io(self, request: Request) -> bool:
        """Return False: the proof is in the request."""
        return False

    def verify(self, request: Request) -> None:
        """Raise Unverified unless every configured proof holds."""
        self._proof.check(request)

    def parse(self, request: Request) -> Parsed:
        """Return one alert per entry of `alerts`, whatever the status of the group."""
        payload = decoded(request.body)
        if not payload.alerts:
            return Ignored("no alerts in the group")
        return [self._alert(statement, payload, request.received_at) for statement in payload.alerts]

    def _alert(self, given: Statement, payload: Payload, now: datetime) -> Alert:
        labels, notes = given.labels, given.annotations or {}
        name, severity = labels.get("alertname", ""), _severity(labels, self._default)
        title = _first(notes, "summary", "title") or name or "Alert without a name"
        summary = _first(notes, "description", "message")
        return Alert(
            source=self._name,
            # Not the receiver and not the group: both change when somebody edits Alertmanager's routes.
            fingerprint=fingerprint(self._name, given.fingerprint or fnv1a(labels)),
            event_id=_event_id(given),
            status=Status(given.status),
            severity=severity,
            at=_at(given, now),
            said_at=now if given.status == "firing" else None,
            title=clip(" ".join(title.split()), TITLE_LIMIT),
            summary=clip(summary.strip(), TEXT_LIMIT) if summary != title else "",
            details=_details(notes),
            service=_first(labels, "service", "app", "app_kubernetes_io_name", "job"),
            environment=_first(labels, "environment", "env", "stage"),
            url=_url(given, payload),
            labels=_labels(labels, severity),
            facts=_facts(name if name != title else "", labels, notes, payload.truncated_alerts),
            links=_links(given, notes, payload),
            carriers={key: value for key, value in notes.items() if _is_carrier(key)},
        )

    def sample(self, status: Status, now: datetime) -> Sample:
        """Return a group with one alert: HighErrorRate on checkout-api, firing since now or resolved after 12 min."""
        firing = status is not Status.RESOLVED
        alert = _SAMPLE_ALERT | {
            "status": "firing" if firing else "resolved",
            "startsAt": _go_time(now if firing else now - timedelta(minutes=12)),
            "endsAt": "0001-01-01T00:00:00Z" if firing else _go_time(now),
        }
        body = msgspec.json.encode(_SAMPLE_GROUP | {"status": alert["status"], "alerts": [alert]}) + b"\n"
        headers = {"content-type": "application/json", "user-agent": "Alertmanager/0.28.1"} | self._proof.headers()
        return Sample(headers=headers, body=body, path_secret=self._proof.path_secret)


def _first(pairs: dict[str, str], *names: str) -> str:
    for name in names:
        if name in pairs and (value := pairs[name].strip()):
            return value
    return ""


def _severity(labels: dict[str, str], default: Severity) -> Severity:
    """Return what the severity label says, else the priority label, else the default."""
    return Severity.from_word(labels.get("severity", ""), Severity.from_word(labels.get("priority", ""), default))


def _meant(time: datetime | None) -> bool:
    """Return False for the years in which Go writes that a time is unset."""
    return time is not None and _UNSET_UNTIL < time.year < _NEVER


def _stamp(time: datetime | None) -> str:
    """Return a time in one spelling, whatever offset it was written with; "" where the sender means none."""
    return time.astimezone(UTC).isoformat() if time and _meant(time) else ""


def _event_id(given: Statement) -> str:
    ended = _stamp(given.ends_at) if given.status == "resolved" else ""
    return event_id(given.fingerprint or fnv1a(given.labels), _stamp(given.starts_at), given.status, ended)


def _at(given: Statement, now: datetime) -> datetime:
    """Return when this became so; the time of arrival where the sender's times can't be."""
    time = given.starts_at if given.status == "firing" else given.ends_at
    if time is None or not _meant(time) or time > now + FUTURE:
        return now
    return now if _meant(given.starts_at) and time < given.starts_at else time.astimezone(UTC)


def _labels(labels: dict[str, str], severity: Severity) -> dict[str, str]:
    """Return the labels; the sender's own word for the severity stays readable for routes as `source_severity`."""
    word = labels.get("severity", "")
    return labels if not word or word == severity else labels | {SENDERS_WORD: word}


_TOLD = frozenset({"summary", "title", "description", "message", "runbook_url", "dashboard_url"})
_CARRIER = re.compile(r"trace(?:id|parent|context)|^(?:sentry)?trace$|^b3$|^xb3|^baggage$|^xdatadog|^ddptid$")
_BETWEEN = str.maketrans("", "", "-_. ")


@lru_cache(1000)  # the names of annotations are few, and asked for thrice in every alert
def _is_carrier(key: str) -> bool:
    return _CARRIER.search(key.lower().translate(_BETWEEN)) is not None


def _rest(notes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the annotations that are shown nowhere else."""
    return ((key, value) for key, value in notes.items() if key not in _TOLD and value and not _is_carrier(key))


def _is_short(value: str) -> bool:
    return len(value) <= FACT_LIMIT and "\n" not in value


def _details(notes: dict[str, str]) -> str:
    return clip("\n".join(f"{key}: {value}" for key, value in _rest(notes) if not _is_short(value)), TEXT_LIMIT)


_FACTS = ("instance", "cluster", "namespace", "pod", "container", "node", "job", "region")


def _facts(name: str, labels: dict[str, str], notes: dict[str, str], truncated: int) -> dict[str, str]:
    facts = {"Alert": name} if name else {}
    facts |= {key.capitalize(): labels[key] for key in _FACTS if labels.get(key)}
    if truncated:
        facts["Truncated"] = f"{truncated} more alerts were cut by Alertmanager's max_alerts"
    rest = {key.replace("_", " ").capitalize(): value for key, value in _rest(notes) if _is_short(value)}
    return facts | rest if rest else facts


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _url(given: Statement, payload: Payload) -> str:
    """Return the graph in Prometheus, else the list of alerts in Alertmanager."""
    if _is_web(given.generator_url):
        return given.generator_url
    receiver = quote_plus(payload.receiver)
    return f"{payload.external_url.rstrip('/')}/#/alerts?receiver={receiver}" if _is_web(payload.external_url) else ""


def _links(given: Statement, notes: dict[str, str], payload: Payload) -> tuple[Link, ...]:
    alertmanager = f"{payload.external_url.rstrip('/')}/#"
    links = [
        ("Runbook", notes.get("runbook_url", "").strip()),
        ("Dashboard", notes.get("dashboard_url", "").strip()),
        ("Alertmanager", f"{alertmanager}/alerts?filter={MATCHERS}"),
    ]
    if given.status == "firing" and SENDERS_WORD not in given.labels:
        links.append(("Silence", f"{alertmanager}/silences/new?filter={ALL_MATCHERS}"))
    return tuple(Link(label, url) for label, url in links if _is_web(url))


def _go_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_SAMPLE_LABELS = {
    "alertname": "HighErrorRate",
    "cluster": "eu-west-1",
    "environment": "production",
    "instance": "10.0.4.17:9090",
    "job": "checkout-api",
    "namespace": "payments",
    "service": "checkout-api",
    "severity": "critical",
}
_SAMPLE_NOTES = {
    "summary": "checkout-api answers more than 5% of requests with 5xx",
    "description": "5xx ratio is 7.42% over 5 minutes on 10.0.4.17:9090",
    "runbook_url": "https://runbooks.example.com/HighErrorRate",
    "dashboard_url": "https://grafana.example.com/d/checkout/checkout-api",
    "trace_id": "3fa1c97be02d4d6c8a5b7e10f2946d38",
}
_SAMPLE_ALERT = {
    "labels": _SAMPLE_LABELS,
    "annotations": _SAMPLE_NOTES,
    "generatorURL": "https://prometheus.example.com/graph?g0.expr=job%3Ahttp_5xx%3Aratio_rate5m+%3E+0.05&g0.tab=1",
    "fingerprint": fnv1a(_SAMPLE_LABELS),
}
_SAMPLE_GROUP = {
    "receiver": "alert-bridge",
    "groupLabels": {"alertname": "HighErrorRate"},
    "commonLabels": _SAMPLE_LABELS,
    "commonAnnotations": _SAMPLE_NOTES,
    "externalURL": "https://alertmanager.example.com",
    "version": "4",
    "groupKey": '{}:{alertname="HighErrorRate"}',
    "truncatedAlerts": 0,
}
