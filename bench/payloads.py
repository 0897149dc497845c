"""Distinct, genuine requests: what Sentry, Alertmanager and SNS would send, as bytes ready for the socket."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.stage import TOPIC
from bridge.domain.alert import Status
from bridge.sandbox.sns import LocalSns
from bridge.sources import sns
from bridge.sources.cloudwatch_sample import sample_alarm
from bridge.sources.sentry_sample import hook

SENTRY_BYTES = 15_000
LABELS = {"alertname": "HighErrorRate", "severity": "critical", "service": "checkout-api", "namespace": "payments"}
_SOURCE_LINES = [
    "    total = sum(item.price for item in cart.items)",
    "    if not total:",
    "        return Discount.none()",
]


def http(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return one request as it goes over a kept connection."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def sentry_body(number: int, issue: str = "") -> bytes:
    """Return an issue alert of some 15 kB: a stack with source lines and variables, breadcrumbs, the request."""
    _, sample = hook(Status.FIRING, datetime.now(UTC) - timedelta(milliseconds=number % 5000))
    body: dict[str, Any] = msgspec.json.decode(sample)
    event = body["data"]["event"]
    event["event_id"] = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
    if issue:
        event["issue_id"] = issue
        event["title"] += f" ({issue})"
    stack = event["exception"]["values"][0]["stacktrace"]
    stack["frames"] = [_frame(index) for index in range(14)] + stack["frames"]
    event["breadcrumbs"] = {"values": []}
    crumbs = event["breadcrumbs"]["values"]
    missing = SENTRY_BYTES - len(msgspec.json.encode(body))
    crumb = {"type": "http", "category": "httplib", "level": "info", "data": {"method": "GET", "status_code": 200}}
    crumbs += [crumb] * (missing // (len(msgspec.json.encode(crumb)) + 1))
    return msgspec.json.encode(body)


def _frame(index: int) -> dict[str, Any]:
    return {
        "filename": f"checkout/steps/step_{index}.py",
        "abs_path": f"/srv/checkout/checkout/steps/step_{index}.py",
        "function": f"run_step_{index}",
        "module": f"checkout.steps.step_{index}",
        "lineno": 40 + index,
        "in_app": True,
        "pre_context": _SOURCE_LINES,
        "context_line": "    return self.next(cart, total / len(cart.items))",
        "post_context": _SOURCE_LINES,
        "vars": {"cart": "<Cart 81723 items=0>", "total": "Decimal('0.00')", "self": f"<Step {index}>"},
    }


def sentry(number: int, issue: str = "") -> bytes:
    """Return a signed Sentry request."""
    body = sentry_body(number, issue)
    proof = hmac.digest(b"bench-secret", body, "sha256").hex()
    headers = {"content-type": "application/json", "sentry-hook-resource": "event_alert"}
    return http("/hooks/sentry", headers | {"sentry-hook-signature": proof}, body)


def alertmanager(number: int, alerts: int = 1) -> bytes:
    """Return an Alertmanager request with so many alerts."""
    body = {
        "version": "4",
        "groupKey": '{}:{alertname="HighErrorRate"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "alert-bridge",
        "groupLabels": {"alertname": "HighErrorRate"},
        "commonLabels": LABELS,
        "commonAnnotations": {},
        "externalURL": "https://alertmanager.example.com",
        "alerts": [alertmanager_alert(number * alerts + index) for index in range(alerts)],
    }
    headers = {"content-type": "application/json", "authorization": "Bearer bench-token"}
    return http("/hooks/alertmanager", headers, msgspec.json.encode(body))


def alertmanager_alert(number: int) -> dict[str, Any]:
    """Return one alert; its number stands in brackets in what is told of it."""
    return {
        "status": "firing",
        "labels": LABELS | {"instance": f"10.0.{number // 250 % 250}.{number % 250}:9090", "number": str(number)},
        "annotations": {
            "summary": f"checkout-api answers more than 5% of requests with 5xx [{number}]",
            "description": f"5xx ratio is 7.42% over 5 minutes on host {number}",
            "runbook_url": "https://runbooks.example.com/HighErrorRate",
        },
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example.com/graph?g0.expr=job%3Ahttp_5xx%3Aratio_rate5m&g0.tab=1",
        "fingerprint": hashlib.blake2b(str(number).encode(), digest_size=8).hexdigest(),
    }


def alarms(vendors: str, key: rsa.RSAPrivateKey, count: int) -> list[bytes]:
    """Return signed CloudWatch alarms as SNS posts them; the certificate is the key's, served at `vendors`."""
    local, requests = LocalSns(f"http://{vendors}", key), []
    for number in range(count):
        now = datetime.now(UTC) - timedelta(milliseconds=number)
        message = sample_alarm(TOPIC, Status.FIRING, now)
        body = local.notification(TOPIC, "CloudWatch alarm", message, now)
        requests.append(http("/hooks/cloudwatch", sns.headers(sns.decode(body)), body))
    return requests
