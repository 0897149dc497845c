"""What one destination refuses for good is told at its fallback, once."""

from __future__ import annotations

from datetime import UTC, datetime

import redis

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.routing import Route, Routes, Threshold
from bridge.pipeline.story import story
from bridge.ports import Rejected
from bridge.store.deadletters import DeadLetters
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

ROUTES = [Route(to=("tickets",))]
ID = f"{'f' * 24}-1"


def firing(**more: object) -> Alert:
    at = datetime.now(UTC)
    return alert(0, event=str(at), **{"at": at, **more})  # type: ignore[arg-type]  # fields by name


def desk_of(redis_client: redis.Redis, *refuses: str, **thresholds: Threshold) -> Desk:
    """Return a desk whose tickets fall back on oncall, and oncall on tickets; some refuse the first attempt."""
    boards = [Board("tickets"), Board("oncall")]
    for board in boards:
        board.answers += [Rejected(f"{board.name} refuses")] if board.name in refuses else []
    fallbacks = {"tickets": "oncall", "oncall": "tickets"}
    return Desk(redis_client, boards, ROUTES, thresholds, fallbacks)


def test_a_refusal_is_told_at_the_fallback_and_the_chain_says_so(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, "tickets")
    desk.hear(firing())

    assert desk.boards["oncall"].created == [ID]
    assert len(DeadLetters(desk.keys)) == 1
    texts = [f"{one.destination}: {one.text}" for one in story(desk.record(), {}, UTC)]
    assert "oncall: hears of it as the fallback of tickets" in texts


def test_the_fallback_hears_how_it_ends(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, "tickets")
    desk.hear(firing())
    desk.hear(firing(severity=Severity.CRITICAL))
    desk.hear(firing(status=Status.RESOLVED))

    assert desk.boards["oncall"].shown[ID] == desk.record().incident.version
    assert desk.boards["oncall"].created == [ID]


def test_the_fallbacks_own_threshold_does_not_hold_it_back(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, "tickets", oncall=Threshold(min_severity=Severity.CRITICAL, min_count=9))
    desk.hear(firing())

    assert desk.boards["oncall"].created == [ID]


def test_two_destinations_that_fall_back_on_each_other_end(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, "tickets", "oncall")
    for _ in range(5):
        desk.hear()
        desk.hear(firing())

    assert desk.boards["oncall"].created == []
    assert desk.boards["tickets"].created == []
    assert {letter.destination for letter in DeadLetters(desk.keys).all()} == {"tickets", "oncall"}


def test_a_fallback_that_hears_of_it_anyway_is_told_once(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    desk.parts = type(desk.parts)(**{**vars(desk.parts), "routes": Routes([Route(to=("oncall", "tickets"))])})
    desk.boards["tickets"].answers.append(Rejected("no"))
    desk.hear(firing())
    desk.hear()

    assert desk.boards["oncall"].created == [ID]
    assert len(desk.record().receipts) == 1


def test_a_replay_after_the_fix_tells_the_destination_itself_too(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, "tickets")
    desk.hear(firing())
    letters = DeadLetters(desk.keys)
    letters.replay(letters.all()[0], datetime.now(UTC))
    desk.hear()

    assert desk.boards["tickets"].created == [ID]
    assert desk.boards["oncall"].created == [ID]
    assert len(letters) == 0


def test_what_was_resolved_before_the_fallback_heard_of_it_is_not_told(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, "tickets")
    desk.parts.inbox.put([firing()])
    desk.parts.inbox.put([firing(status=Status.RESOLVED)])
    desk.hear()

    assert desk.boards["oncall"].created == []
