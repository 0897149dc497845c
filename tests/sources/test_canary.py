"""The canary's own source: only what the bridge itself signed, and only while it is fresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.alert import Alert, Status
from bridge.domain.canary import is_canary
from bridge.ports import Request, Sample, Unparseable, Unverified
from bridge.sources.canary import WINDOW, Canary

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
CANARY = Canary(b"k" * 32)


def request(sample: Sample, at: datetime = NOW) -> Request:
    return Request(headers=sample.headers, body=sample.body, received_at=at)


def test_a_signed_canary_is_one_plainly_marked_alert() -> None:
    sample = CANARY.signed("0123456789abcdef", Status.FIRING, NOW)
    CANARY.verify(request(sample))
    parsed = CANARY.parse(request(sample))
    assert isinstance(parsed, list)
    (alert,) = parsed
    assert isinstance(alert, Alert)
    assert is_canary(alert.fingerprint)
    assert (alert.source, alert.status, alert.labels) == ("canary", Status.FIRING, {"alert_bridge": "true"})
    assert "nothing is wrong" in alert.title


def test_its_two_statements_are_about_one_problem_and_another_run_about_another() -> None:
    def alert(run: str, status: Status) -> Alert:
        parsed = CANARY.parse(request(CANARY.signed(run, status, NOW)))
        assert isinstance(parsed, list)
        return parsed[0]

    begun, over, other = (
        alert("a" * 16, Status.FIRING),
        alert("a" * 16, Status.RESOLVED),
        alert("b" * 16, Status.FIRING),
    )
    assert begun.fingerprint == over.fingerprint != other.fingerprint
    assert len({begun.event_id, over.event_id, other.event_id}) == 3
    assert alert("a" * 16, Status.FIRING).event_id == begun.event_id


@pytest.mark.parametrize("key", [b"", b"another key"])
def test_what_another_signed_is_refused(key: bytes) -> None:
    sample = Canary(key).sample(Status.FIRING, NOW)
    with pytest.raises(Unverified, match="same config"):
        CANARY.verify(request(sample))
    with pytest.raises(Unverified):
        CANARY.verify(Request(headers={}, body=sample.body, received_at=NOW))


def test_a_captured_canary_is_refused_after_some_minutes() -> None:
    sample = CANARY.sample(Status.FIRING, NOW)
    assert CANARY.parse(request(sample, NOW + WINDOW))
    with pytest.raises(Unverified, match="old canary"):
        CANARY.parse(request(sample, NOW + WINDOW + timedelta(seconds=1)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"run":"../../etc","status":"firing","at":"2026-11-21T06:00:00Z"}',
        b'{"run":"0123456789abcdef","status":"noted?","at":"2026-11-21T06:00:00Z"}',
        b'{"run":"0123456789abcdef","status":"firing","at":"2026-11-21T06:00:00"}',
    ],
)
def test_what_is_no_canary_is_told(body: bytes) -> None:
    with pytest.raises(Unparseable, match="not a canary"):
        CANARY.parse(Request(headers={}, body=body, received_at=NOW))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    with pytest.raises((Unparseable, Unverified)):
        CANARY.parse(Request(headers={}, body=body, received_at=NOW))
