"""A captured request sent again: it changes nothing, for as long as its body is what Sentry and SNS signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Status
from bridge.domain.incident import Change, Incident
from bridge.ports import Request, Unverified
from bridge.sources import sns
from bridge.sources.cloudwatch import CloudWatch, CloudWatchOptions
from bridge.sources.cloudwatch_sample import sample_alarm
from bridge.sources.sentry import SIGNATURE, Sentry, SentryOptions, signature
from tests.sources.sns_world import TOPIC, World

SECRET = b"sentry-secret"
SENTRY = Sentry("sentry", SentryOptions.model_validate({"client_secret": SECRET.decode()}))
PAYLOADS = Path(__file__).parents[1] / "sources" / "payloads" / "sentry"
BODY = (PAYLOADS / "event_alert.json").read_bytes()
RAISED = datetime.fromtimestamp(json.loads(BODY)["data"]["event"]["received"], UTC)
DAY = timedelta(days=1)


def captured(arrived: datetime, **headers: str) -> Alert:
    """The statement that the same signed body makes whenever it arrives, whatever its unsigned headers say."""
    request = Request(
        headers={"sentry-hook-resource": "event_alert", SIGNATURE: signature(SECRET, BODY).decode(), **headers},
        body=BODY,
        received_at=arrived,
    )
    SENTRY.verify(request)
    parsed = SENTRY.parse(request)
    assert isinstance(parsed, list)
    return parsed[0]


def opened() -> Incident:
    incident, change = advance(None, captured(RAISED), set(), DAY)
    assert incident is not None
    assert change is Change.OPENED
    return incident


def over(incident: Incident) -> Incident:
    """The incident, resolved an hour later."""
    alert = captured(RAISED)
    resolution = Alert(
        **{name: getattr(alert, name) for name in ("source", "fingerprint", "severity", "title")},
        event_id="resolved",
        status=Status.RESOLVED,
        at=RAISED + timedelta(hours=1),
    )
    resolved, _ = advance(incident, resolution, set(), DAY)
    assert resolved is not None
    return resolved


@pytest.mark.parametrize("later", [timedelta(seconds=1), timedelta(hours=1), 8 * DAY])
@pytest.mark.parametrize("header", ["sentry-hook-timestamp", "request-id", "idempotency-key", "x-anything"])
def test_other_headers_do_not_make_another_statement_of_a_signed_event(later: timedelta, header: str) -> None:
    first = captured(RAISED, **{header: str(int(RAISED.timestamp()))})
    again = captured(RAISED + later, **{header: str(int((RAISED + later).timestamp()))})

    assert (again.event_id, again.fingerprint, again.at) == (first.event_id, first.fingerprint, first.at)
    incident = opened()
    assert advance(incident, again, {first.event_id}, DAY) == (incident, Change.DUPLICATE)


@pytest.mark.parametrize("later", [timedelta(hours=2), 8 * DAY, 400 * DAY])
def test_an_old_event_reopens_nothing_also_when_its_id_is_long_forgotten(later: timedelta) -> None:
    incident = over(opened())
    after, change = advance(incident, captured(RAISED + later), set(), DAY)

    assert change is Change.LATE
    assert after is not None
    assert (after.status, after.reopened, after.number) == (Status.RESOLVED, 0, 1)


def test_the_same_request_again_is_stored_as_the_same_statement(sns_server: World) -> None:
    envelope = sns_server.sns.signer.sign(
        sns.notification(TOPIC, "x", sample_alarm(TOPIC, Status.FIRING, datetime.now(UTC)), datetime.now(UTC))
    )
    options = {"topic_arns": [TOPIC], "signing_hosts": [sns_server.host]}
    source = CloudWatch("aws", CloudWatchOptions.model_validate(options))

    def sent(arrived: datetime) -> list[Alert]:
        request = Request(headers={}, body=msgspec.json.encode(envelope), received_at=arrived)
        source.verify(request)
        parsed = source.parse(request)
        assert isinstance(parsed, list)
        return parsed

    now = datetime.now(UTC)
    assert sent(now) == sent(now + timedelta(hours=1)), "within the window: a duplicate"
    with pytest.raises(Unverified, match="Timestamp"):
        sent(now + timedelta(hours=3))
