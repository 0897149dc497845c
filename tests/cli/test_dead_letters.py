"""`dead-letters` and `incidents --why` as an operator runs them, on a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import redis

from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline.letters import letter_of
from bridge.ports import Rejected, Request
from bridge.store.deadletters import DeadLetters
from tests.cli.conftest import NOWHERE, Shell
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

ID = f"{'f' * 24}-1"
LETTER = f"{ID}@oncall"
BODY = b'{"version": "4", "alerts": "none", "token": "hunter2hunter2"}'


@pytest.fixture
def desk(redis_client: redis.Redis) -> Desk:
    """A desk on which the delivery of one incident was rejected."""
    desk = Desk(redis_client, [Board("oncall")])
    desk.boards["oncall"].answers.append(Rejected("channel_not_found: check the channel ID in `channel`"))
    desk.hear(alert(event="first", at=datetime.now(UTC)), trace="0af7651916cd43dd8448eb211c80319c")
    return desk


def keep_request(desk: Desk) -> str:
    request = Request(headers={"content-type": "application/json"}, body=BODY, received_at=datetime.now(UTC))
    letter = letter_of("alertmanager", request, "alerts is no list", Scrubber(ScrubOptions()))
    assert DeadLetters(desk.keys).put(letter)
    return letter.name


def test_the_list_says_what_why_since_when_and_how_often(shell: Shell, desk: Desk) -> None:
    result = shell.run("dead-letters", "list")

    header, row = result.stdout.splitlines()
    assert header.split() == ["name", "for", "since", "last", "attempts", "replayed", "reason"]
    assert row.startswith(f"{LETTER}  oncall  20")
    assert row.endswith("1                   channel_not_found: check the channel ID in `channel`")
    assert "+09:00" in row, "times are in the configured timezone"


def test_what_could_not_be_kept_is_said_beside_the_list(shell: Shell, desk: Desk) -> None:
    desk.keys.client.set("{ab}:dead:shed", 3)
    result = shell.run("dead-letters", "list", "-o", "json")

    assert [letter["name"] for letter in json.loads(result.stdout)] == [LETTER]
    assert "3 more could not be kept for want of room" in result.stderr


def test_a_request_is_shown_whole_with_its_secrets_masked(shell: Shell, desk: Desk) -> None:
    name = keep_request(desk)
    shown = shell.run("dead-letters", "show", name)

    assert '"alerts": "none"' in shown.stdout
    assert '"token": "[redacted]"' in shown.stdout
    assert "hunter2" not in shown.stdout
    (as_json,) = json.loads(shell.run("dead-letters", "show", name, "-o", "json").stdout)
    assert as_json["headers"] == {"content-type": "application/json"}


def test_a_delivery_is_shown_with_its_incident(shell: Shell, desk: Desk) -> None:
    (shown,) = json.loads(shell.run("dead-letters", "show", LETTER, "-o", "json").stdout)

    assert (shown["for"], shown["incident"]["title"], shown["receipt"]) == ("oncall", "ZeroDivisionError", None)


def test_a_replay_makes_it_due_and_says_so(shell: Shell, desk: Desk) -> None:
    result = shell.run("dead-letters", "replay", LETTER)

    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"ok      {LETTER}: due now at oncall; the letter goes when it is delivered\n"
    desk.hear()
    assert desk.boards["oncall"].created == [ID]


def test_all_are_replayed_and_what_stays_is_the_exit_code(shell: Shell, desk: Desk) -> None:
    name = keep_request(desk)
    result = shell.run("dead-letters", "replay", "--all")

    assert result.exit_code == 1
    assert f"ok      {LETTER}: due now" in result.stdout
    assert f"not so  {name}: it still can't be parsed: " in result.stdout
    assert "1 of 2 letters stay as they are" in result.stderr


def test_dropped_they_are_gone(shell: Shell, desk: Desk) -> None:
    assert shell.run("dead-letters", "drop", LETTER).stdout == f"ok      {LETTER}: dropped\n"
    assert len(DeadLetters(desk.keys)) == 0
    assert (shell.run("dead-letters", "drop", "--all").exit_code, desk.boards["oncall"].created) == (0, [])


@pytest.mark.parametrize("verb", ["show", "replay", "drop"])
def test_an_unknown_name_fails_and_says_where_the_names_are(shell: Shell, desk: Desk, verb: str) -> None:
    result = shell.run("dead-letters", verb, "nope")

    assert result.exit_code == 1
    assert "there is no dead letter nope; `alert-bridge dead-letters list` lists them" in result.stderr


@pytest.mark.parametrize("argv", [["replay"], ["drop"], ["replay", LETTER, "--all"], ["show"]])
def test_to_name_nothing_or_too_much_is_wrong_usage(shell: Shell, argv: list[str]) -> None:
    assert shell.run("dead-letters", *argv).exit_code == 2


@pytest.mark.parametrize("argv", [["show", "x"], ["replay", "--all"], ["drop", "x"]])
def test_without_a_store_the_exit_code_is_3(shell: Shell, argv: list[str]) -> None:
    assert shell.run("dead-letters", *argv, REDIS_URL=NOWHERE).exit_code == 3


def test_why_tells_the_story_in_local_time(shell: Shell, desk: Desk) -> None:
    lines = shell.run("incidents", ID, "--why").stdout.splitlines()

    assert lines[0] == f"{ID}  firing, error, count 1: ZeroDivisionError"
    assert [line[25:] for line in lines[2:]] == [
        "accepted from sentry (request 0af7651916cd43dd8448eb211c80319c): opened",
        "routed to oncall by routes[0] {} (everything)",
        "oncall: rejected for good, now a dead letter: channel_not_found: check the channel ID in `channel`",
        f"oncall: needs a person: alert-bridge dead-letters show {LETTER}",
    ]
    hour = datetime.now(UTC).hour
    assert int(lines[2][11:13]) in ((hour + 9) % 24, (hour + 8) % 24)


def test_why_as_json_has_a_line_a_step(shell: Shell, desk: Desk) -> None:
    told = json.loads(shell.run("incidents", ID, "--why", "-o", "json").stdout)

    assert [one["what"] for one in told] == ["opened", "routed", "dead", "now"]
    assert told[2]["destination"] == "oncall"


def test_why_needs_a_name(shell: Shell) -> None:
    assert shell.run("incidents", "--why").exit_code == 2
