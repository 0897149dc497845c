"""A secret that a length limit cut in two has no shape any more: its beginning must not be stored either."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bridge.domain.alert import Alert
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline.receive import receive
from bridge.ports import Request
from bridge.sources.alertmanager import TEXT_LIMIT, TITLE_LIMIT, Alertmanager
from bridge.sources.alertmanager_proof import AlertmanagerOptions

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
SOURCE = Alertmanager("am", AlertmanagerOptions.model_validate({"bearer_token": "token-of-the-test"}))
SECRETS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "4111 1111 1111 1111",
    "postgres://admin:hunter2hunter2@db.internal/x",
    "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789",
    "mira.okafor@example.com",
]


def received(**annotations: str) -> Alert:
    alert = {"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-03-14T09:00:00Z", "annotations": annotations}
    body = json.dumps({"version": "4", "alerts": [alert]}).encode()
    request = Request(headers={"authorization": "Bearer token-of-the-test"}, body=body, received_at=NOW)
    parsed = receive(SOURCE, Scrubber(ScrubOptions()), request)
    assert isinstance(parsed, list)
    return parsed[0]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("name", "field", "limit"), [("summary", "title", TITLE_LIMIT), ("log", "details", TEXT_LIMIT)]
)
def test_no_beginning_of_a_secret_is_kept_wherever_the_limit_cuts_it(
    secret: str, name: str, field: str, limit: int
) -> None:
    for kept in range(8, len(secret)):
        text = ("word " * limit)[: limit - kept - 10] + " " + secret + " and more of it" * 9
        assert secret[:8] not in getattr(received(**{name: text}), field)


def test_what_an_sdk_cut_is_treated_the_same() -> None:
    kept = received(message="word " * 40 + SECRETS[0][:-1] + "...").summary

    assert SECRETS[0][:8] not in kept
    assert kept.endswith("…")


def test_a_short_text_and_a_whole_one_keep_their_end() -> None:
    assert received(summary="still waiting for the disk…").title == "still waiting for the disk…"
    assert received(summary="word " * 30 + "the end").title.endswith("the end")
