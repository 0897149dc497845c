"""An inbox full of real alerts: parsed from the same requests by the bridge's own code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import redis

from bench.payloads import sentry_body
from bridge.domain.alert import Alert, event_id, fingerprint
from bridge.ports import Request
from bridge.sources.sentry_event import event_alert
from bridge.store.inbox import body_of


def typical() -> Alert:
    """Return the alert that a Sentry webhook of 15 kB becomes."""
    request = Request(headers={}, body=sentry_body(1), received_at=datetime.now(UTC))
    parsed = event_alert("sentry", request)
    assert isinstance(parsed, list)
    return parsed[0]


def fill(client: redis.Redis, count: int, problems: int, first: int = 0) -> None:
    """Put `count` distinct alerts, one a request, about so many problems in turn into the inbox."""
    alert = typical()
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
