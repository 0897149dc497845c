"""`incidents`: what is open, and the story of one."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from bridge import wiring
from bridge.domain.alert import Alert, Severity, Status
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from tests.cli.conftest import Shell

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


class Silence:
    """A bell that nobody hears: the tests look themselves."""

    def ingest(self) -> None:
        """Ring for the inbox."""

    def deliver(self, destination: str) -> None:
        """Ring for a destination."""


def alert(name: str, title: str, status: Status = Status.FIRING, at: datetime = NOW) -> Alert:
    return Alert(
        fingerprint=name.encode().hex().ljust(24, "0"),
        event_id=f"{name}-{status}-{at:%s}",
        source="sentry",
        status=status,
        severity=Severity.ERROR,
        title=title,
        at=at,
        service="결제-api",
        trace_id="5b8efff798038103d269b633813fc60c",
    )


@pytest.fixture
def parts(shell: Shell, redis_client: redis.Redis) -> Parts:
    """The running parts on an empty store."""
    environ = {k: v for k, v in shell.environ.items() if v is not None}
    settings = wiring.load(environ)
    return replace(wiring.parts(settings, wiring.celery(settings)), bell=Silence())


def take(parts: Parts, *alerts: Alert) -> None:
    for one in alerts:
        parts.inbox.put([one], "request-trace")
        ingest(parts)
        for destination in parts.sinks:
            deliver(parts, destination)


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_nothing_open_is_said_on_stderr(shell: Shell, redis_client: redis.Redis) -> None:
    result = shell.run("incidents")

    assert (result.stdout, result.stderr, result.exit_code) == ("", "No open incidents.\n", 0)
    assert json.loads(shell.run("incidents", "-o", "json").stdout) == []


def test_titles_in_wide_letters_stay_in_their_columns(shell: Shell, parts: Parts) -> None:
    take(parts, alert("a", "결제 승인 실패: 카드사 응답 없음"), alert("b", "plain", at=NOW + timedelta(minutes=1)))
    head, *rows = shell.run("incidents").stdout.splitlines()

    starts = {columns(head.partition("told")[0]), *(columns(row.partition("oncall")[0]) for row in rows)}
    assert len(rows) == 2
    assert len(starts) == 1
    assert ["plain" in row for row in rows] == [True, False], "the newest comes first"


def test_resolved_ones_are_listed_when_asked_for(shell: Shell, parts: Parts) -> None:
    take(parts, alert("a", "over"), alert("a", "over", Status.RESOLVED, NOW + timedelta(minutes=5)))

    assert shell.run("incidents").stderr == "No open incidents.\n"
    (row,) = json.loads(shell.run("incidents", "--all", "-o", "json").stdout)
    assert (row["status"], row["count"], row["title"]) == ("resolved", 1, "over")
    assert row["last_seen"] == "2026-07-01T12:00:00+09:00"
    assert row["told"] == "oncall, tickets OPS-1"


def test_one_incident_is_told_with_its_history_and_where_it_was_told(shell: Shell, parts: Parts) -> None:
    take(parts, alert("a", "Checkout fails"), alert("a", "Checkout fails", Status.RESOLVED, NOW + timedelta(minutes=5)))
    (listed,) = json.loads(shell.run("incidents", "--all", "-o", "json").stdout)
    story = shell.run("incidents", listed["id"]).stdout

    for part in ("Checkout fails", "5b8efff798038103d269b633813fc60c", "opened", "resolved", "/jira/browse/OPS-1"):
        assert part in story
    assert re.search(r"last seen +2026-07-01 12:00:00\+09:00", story)
    assert "up to version" in story
    (told,) = json.loads(shell.run("incidents", listed["id"], "-o", "json").stdout)
    assert [entry["change"] for entry in told["history"]] == ["opened", "resolved"]
    assert [where["destination"] for where in told["told"]] == ["oncall", "tickets"]
    assert not [key for row in (told, *told["history"], *told["told"]) for key in row if " " in key]


def test_an_incident_that_is_not_there_ends_with_1(shell: Shell, redis_client: redis.Redis) -> None:
    result = shell.run("incidents", "feedbeef-1")

    assert (result.stdout, result.exit_code) == ("", 1)
    assert 'there is no incident "feedbeef-1"' in result.stderr
    assert "`alert-bridge incidents --all` lists them" in result.stderr
