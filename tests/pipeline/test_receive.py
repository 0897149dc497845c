"""What a request says, on its way to the store: many alerts are cleaned as each would be alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.domain.alert import Alert, Severity, Status
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline.receive import understand
from bridge.ports import Request
from bridge.sources.canary import Canary

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SCRUBBER = Scrubber(ScrubOptions())
TEXTS = ["all is well", "password=hunter2hunter2", "x" * 200 + " …", "mail a@example.com", "5xx ratio is 7.42%"]


class Told(Canary):
    """A source that says what it was given."""

    def __init__(self, alerts: list[Alert]) -> None:
        self._alerts = alerts

    def parse(self, request: Request) -> list[Alert]:
        """Say it."""
        return self._alerts


def alert(text: str) -> Alert:
    return Alert(
        source="s", fingerprint=text, event_id=text, status=Status.FIRING, severity=Severity.ERROR, at=NOW,
        title="t", summary=text, labels={"a": "b"}, links=(), url="https://example.com/?a=b%20c",
    )  # fmt: skip


def understood(*texts: str, at: datetime = NOW) -> list[Alert]:
    request = Request(headers={}, body=b"", received_at=at)
    said = understand(Told([alert(text) for text in texts]), SCRUBBER, request)
    assert isinstance(said, list)
    return said


@pytest.mark.parametrize("odd", TEXTS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_alerts_that_come_together_are_cleaned_as_alone(odd: str, place: int) -> None:
    texts = [TEXTS[0], TEXTS[4]]
    texts.insert(place, odd)

    assert understood(*texts) == [one for text in texts for one in understood(text)]


def test_what_is_to_be_hidden_in_one_of_many_is_hidden() -> None:
    said = understood(*TEXTS)

    assert "hunter2" not in "".join(one.summary for one in said)
    assert [one.redactions for one in said] == [0, 1, 0, 1, 0]
    assert len(said[2].summary) < 200, "the end of what came cut may be half a secret"


def test_nothing_is_dated_in_the_future() -> None:
    earlier = NOW.replace(year=2025)

    assert [one.at for one in understood("x", "y", at=earlier)] == [earlier] * 2
