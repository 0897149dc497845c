"""Sentry's `metric_alert`: a number went over a threshold, or came back."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bridge.domain.alert import Alert, Severity, Status, fingerprint
from bridge.domain.words import clip
from bridge.ports import Parsed, Request, Unparseable
from bridge.sources.sentry_event import mismatch, unheard
from bridge.sources.sentry_payload import Metric, MetricData, MetricHook, Rule
from bridge.sources.sentry_reading import (
    believed,
    decoded,
    hook_time,
    one_line,
    present,
    spoken_time,
    statement_id,
    told_at,
    web_address,
)

_DECODER = msgspec.json.Decoder(MetricHook)
_SEVERITY = {
    "critical": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "open": Severity.WARNING,
    "resolved": Severity.WARNING,
}
_METHODS = {1: "closed by hand in Sentry", 2: "closed because its rule was edited"}
"""`status_method`, getsentry/sentry incidents/models/incident.py; 3 is the rule itself."""


def metric_alert(name: str, request: Request) -> Parsed:
    """Return the alert that a change of a metric alert's state is."""
    hook = decoded(_DECODER, request.body)
    action = hook.action or ""
    if action not in _SEVERITY:
        return unheard("metric_alert", hook.action)
    metric = hook.data.metric_alert if hook.data else None
    if metric is None or hook.data is None:
        raise mismatch("metric_alert", "data.metric_alert")
    rule = metric.alert_rule
    if rule is None or rule.id in (None, ""):
        raise Unparseable("data.metric_alert.alert_rule has no id: it can't be told which problem it is about")
    return [_alert(name, request, action, hook.data, metric, rule)]


def _alert(name: str, request: Request, action: str, data: MetricData, metric: Metric, rule: Rule) -> Alert:
    slug = one_line(next(iter(metric.projects or rule.projects or []), None), 100)
    title = rule.name or metric.title or data.description_title
    return Alert(
        source=name,
        fingerprint=fingerprint(name, "metric", str(rule.id)),
        event_id=statement_id("metric_alert", action, request),
        status=Status.RESOLVED if action == "resolved" else Status.FIRING,
        severity=_SEVERITY[action],
        at=_at(action, metric, request),
        title=one_line(title, 250) or f"Sentry metric alert {rule.id}",
        summary=_summary(action, data, metric),
        service=slug,
        environment=one_line(rule.environment, 100),
        url=web_address(data.web_url),
        labels=_labels(action, slug, rule),
        facts=_facts(metric, rule),
    )


def _at(action: str, metric: Metric, request: Request) -> datetime:
    """Return when the alert entered this state.

    `critical` and a later `warning` of one spell carry the same `date_started`, and `date_closed` is the start of
    a time bucket that can lie before the last change: all of them are ordered by the hook's own timestamp.
    """
    closed = metric.date_closed if action == "resolved" else None
    dated = believed(closed or metric.date_started or metric.date_detected, request)
    if hook_time(request) is None and dated:
        return dated
    return told_at(request, dated)


def _summary(action: str, data: MetricData, metric: Metric) -> str:
    text = clip(data.description_text or "", 1000).strip()
    how = _METHODS.get(metric.status_method or 0, "") if action == "resolved" else ""
    return "; ".join(part for part in (how, text) if part)


def _labels(action: str, slug: str, rule: Rule) -> dict[str, str]:
    return present(
        {
            "level": action,
            "project": slug,
            "rule": rule.name,
            "aggregate": rule.aggregate,
            "dataset": rule.dataset,
            "query": rule.query,
            "type": "metric_alert",
        }
    )


def _facts(metric: Metric, rule: Rule) -> dict[str, str]:
    return present(
        {
            "Metric": rule.aggregate,
            "Query": rule.query,
            "Thresholds": _thresholds(rule),
            "Started": spoken_time(metric.date_started or metric.date_detected),
        }
    )


def _thresholds(rule: Rule) -> str:
    steps = [(t.label, t.alert_threshold) for t in rule.triggers or []] + [("resolved", rule.resolve_threshold)]
    return ", ".join(f"{label} {value:g}" for label, value in steps if label and value is not None)
