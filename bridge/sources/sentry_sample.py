"""A made-up Sentry issue for `send-test` and the sandbox: it fires, is assigned and is resolved."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bridge.domain.alert import Status

_ISSUE = "5120047731"
_TITLE = "ZeroDivisionError: division by zero"
_CULPRIT = "checkout.pricing in split_discount"
_API = "https://sentry.io/api/0"
_WEB = f"https://acme-kr.sentry.io/issues/{_ISSUE}/"
_TRACE_ID = "5b8efff798038103d269b633813fc60c"
_RELEASE = "checkout-api@2.14.1"
_MIRA = {"type": "user", "id": 2718, "name": "Mira Kang"}
_SENTRY = {"type": "application", "id": "sentry", "name": "Sentry"}


def hook(status: Status, now: datetime) -> tuple[str, bytes]:
    """Return the resource and the body of a hook about the issue; each FIRING is an event of its own."""
    match status:
        case Status.FIRING:
            return "event_alert", _body("triggered", _SENTRY, _firing(now))
        case Status.RESOLVED:
            data = {"issue": _issue(now, "resolved"), "resolution_type": "now"}
            return "issue", _body("resolved", _MIRA, data)
        case Status.NOTED:
            data = {"issue": _issue(now, "unresolved"), "assignee": _MIRA}
            return "issue", _body("assigned", _MIRA, data)


def _body(action: str, actor: dict[str, Any], data: dict[str, Any]) -> bytes:
    installation = {"uuid": "0b1f7c52-6d0a-4c0e-8c1e-3f5a9f2f7d11"}
    return msgspec.json.encode({"action": action, "installation": installation, "data": data, "actor": actor})


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _firing(now: datetime) -> dict[str, Any]:
    number = hashlib.blake2b(_stamp(now).encode(), digest_size=16).hexdigest()
    event = {
        "event_id": number,
        "project": 4508811,
        "release": _RELEASE,
        "platform": "python",
        "message": "",
        "title": _TITLE,
        "culprit": _CULPRIT,
        "level": "error",
        "logger": "checkout",
        "type": "error",
        "environment": "production",
        "datetime": _stamp(now),
        "timestamp": now.timestamp(),
        "tags": _tags(),
        "contexts": {"trace": {"type": "trace", "trace_id": _TRACE_ID, "span_id": "eee19b7ec3c1b174"}},
        "exception": {"values": [_exception()]},
        "url": f"{_API}/projects/acme-kr/checkout-api/events/{number}/",
        "web_url": f"{_WEB}events/{number}/",
        "issue_url": f"{_API}/organizations/acme-kr/issues/{_ISSUE}/",
        "issue_id": _ISSUE,
    }
    return {"event": event, "triggered_rule": "checkout-api: errors in production"}


def _tags() -> list[list[str]]:
    tags = {
        "environment": "production",
        "handled": "no",
        "level": "error",
        "region": "ap-northeast-2",
        "release": _RELEASE,
        "runtime": "CPython 3.12.8",
        "server_name": "checkout-api-6c9f7d4b5-tq2vd",
        "service": "checkout-api",
        "transaction": "POST /v1/carts/{cart_id}/discounts",
    }
    return [[key, value] for key, value in tags.items()]


def _exception() -> dict[str, Any]:
    frames = [
        ("starlette/routing.py", "app", 78, False),
        ("checkout/api/carts.py", "apply_discount", 212, True),
        ("checkout/pricing.py", "split_discount", 57, True),
    ]
    keys = ("filename", "function", "lineno", "in_app")
    return {
        "type": "ZeroDivisionError",
        "value": "division by zero",
        "module": "builtins",
        "mechanism": {"type": "starlette", "handled": False},
        "stacktrace": {"frames": [dict(zip(keys, frame, strict=True)) for frame in frames]},
    }


def _issue(now: datetime, status: str) -> dict[str, Any]:
    return {
        "id": _ISSUE,
        "shortId": "CHECKOUT-API-7F",
        "title": _TITLE,
        "culprit": _CULPRIT,
        "level": "error",
        "logger": "checkout",
        "platform": "python",
        "type": "error",
        "issueCategory": "error",
        "priority": "high",
        "status": status,
        "substatus": None if status == "resolved" else "ongoing",
        "statusDetails": {},
        "project": {"id": "4508811", "name": "checkout-api", "slug": "checkout-api", "platform": "python"},
        "metadata": {"type": "ZeroDivisionError", "value": "division by zero", "filename": "checkout/pricing.py"},
        "firstSeen": _stamp(now - timedelta(minutes=20)),
        "lastSeen": _stamp(now),
        "count": "17",
        "userCount": 9,
        "assignedTo": None,
        "permalink": _WEB,
        "web_url": _WEB,
        "url": f"{_API}/organizations/acme-kr/issues/{_ISSUE}/",
    }
