"""An inbox full of real alerts: parsed from the same requests by the bridge's own code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import redis

from bench import payloads
from bridge.domain.alert import Alert, event_id, fingerprint
from bridge.ports import Parsed, Request
from bridge.sources.alertmanager import Alertmanager
from bridge.sources.alertmanager_proof import AlertmanagerOptions
from bridge.sources.sentry_event import event_alert
from bridge.store.inbox import body_of


def from_sentry() -> Alert:
    """Return the alert that a Sentry webhook of 15 kB becomes: 14 tags, the top of a stack."""
    return _parsed(event_alert("sentry", _request(payloads.sentry_body(1))))


def from_alertmanager() -> Alert:
    """Return the alert that an Alertmanager webhook with one alert becomes."""
    body = payloads.alertmanager(1).partition(b"\r\n\r\n")[2]
    options = AlertmanagerOptions.model_validate({"bearer_token": "bench-token"})
    return _parsed(Alertmanager("alertmanager", options).parse(_request(body)))


def _request(body: bytes) -> Request:
    return Request(headers={}, body=body, received_at=datetime.now(UTC))


def _parsed(parsed: Parsed) -> Alert:
    assert isinstance(parsed, list)
    return parsed[0]


def fill(client: redis.Redis, alert: Alert, count: int, problems: int, first: int = 0) -> None:
    """Put `count` distinct alerts like this one, one a request, about so many problems in turn into the inbox."""
    for start in range(first, first + count, 500):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + 500, first + count)):
            one = msgspec.structs.replace(
                alert,
                fingerprint=fingerprint("bench", str(number % problems)),
                event_id=event_id("bench", str(number)),
                at=alert.at + timedelta(milliseconds=number),
            )
            pipe.xadd("{ab}:inbox", {"a": body_of([one]), "t": f"{number:032x}"})
        pipe.execute()
