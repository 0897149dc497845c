"""The chain of decisions: written in the same step as what it tells of, short, and readable."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import redis

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.routing import Route, Threshold, parse_matchers
from bridge.pipeline.story import Told, story
from bridge.ports import Rejected, RetryAt, Unknown
from bridge.store.chain import Mark
from bridge.store.deliveries import Deliveries
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECOND = timedelta(seconds=1)


def now(event: str = "", **more: object) -> Alert:
    """Return a firing statement of this moment."""
    at = datetime.now(UTC)
    return alert(0, event=event or str(at), **{"at": at, **more})  # type: ignore[arg-type]  # fields by name


def told(desk: Desk) -> list[Told]:
    waiting = Deliveries(desk.keys).waiting(desk.record().incident.id, list(desk.boards))
    return story(desk.record(), waiting, UTC)


def texts(desk: Desk) -> list[str]:
    return [f"{one.destination}: {one.text}" if one.destination else one.text for one in told(desk)]


def marks(desk: Desk) -> str:
    return "".join(step.mark for step in desk.record().chain)


def test_the_life_of_an_incident_is_a_story(redis_client: redis.Redis) -> None:
    route = Route(parse_matchers('severity=~"critical|error"'), ("oncall", "tickets"))
    desk = Desk(redis_client, [Board("oncall"), Board("tickets")], [route])
    desk.hear(now(), trace=TRACE)
    desk.hear(now(), trace=TRACE)
    desk.hear(now(), trace=TRACE)
    desk.hear(now(severity=Severity.CRITICAL), trace=TRACE)
    desk.hear(now(status=Status.RESOLVED), trace=TRACE)

    told_at_once = [re.sub(r"after \d+ s", "after 0 s", text) for text in texts(desk)]
    assert told_at_once == [
        f"accepted from sentry (request {TRACE}): opened",
        'routed to oncall, tickets by routes[0] {severity=~"critical|error"}',
        "oncall: delivered as oncall 1",
        "tickets: delivered as tickets 1",
        "repeated 2 times",
        f"accepted from sentry (request {TRACE}): severity raised from error to critical",
        "oncall: told: worsened",
        "tickets: told: worsened",
        f"accepted from sentry (request {TRACE}): resolved after 0 s",
        "oncall: told: resolved",
        "tickets: told: resolved",
        "oncall: up to date",
        "tickets: up to date",
    ]


def test_a_story_keeps_the_order_in_which_the_store_decided_whatever_the_clocks_said(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    desk.hear(now("first"))
    desk.hear(now(severity=Severity.CRITICAL))
    desk.hear(now("first"), trace=TRACE)
    before = [one.what for one in told(desk)]
    assert before == ["opened", "routed", "created", "worsened", "told", "duplicate", "now"]

    lines = (redis_client.hget("{ab}:i:" + "f" * 24, "y") or b"").decode().split("\n")  # type: ignore[union-attr]  # not the async client
    wrong = [f"{1_000_000_000_000 - number}|{line.partition('|')[2]}" for number, line in enumerate(lines)]
    redis_client.hset("{ab}:i:" + "f" * 24, "y", "\n".join(wrong))
    assert [one.what for one in told(desk)] == before


def test_repeats_and_duplicates_are_counted_without_a_line(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    desk.hear(now("first"))
    before = desk.record().trail[0]
    for _ in range(20):
        desk.hear(now())
        desk.hear(now("first"), trace=TRACE)

    assert desk.record().trail[0] == before
    assert "repeated 20 times: counted, no new message" in texts(desk)
    swallowed = next(one for one in told(desk) if one.what == "duplicate")
    assert swallowed.times == 20
    assert swallowed.text.startswith("swallowed 20 times: a statement that was counted before was delivered again")
    assert TRACE in swallowed.text


def test_a_duplicate_of_nothing_known_leaves_no_broken_record(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    desk.hear(now("note", status=Status.NOTED))
    desk.hear(now("note", status=Status.NOTED))

    assert desk.parts.incidents.find("f" * 24) is None
    desk.hear(now())
    assert desk.record().incident.count == 1


def test_an_alert_that_made_no_noise_says_what_swallowed_it(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")], [Route(parse_matchers("severity=critical"), ("oncall",))])
    desk.hear(now())

    assert texts(desk)[1:] == [
        'routed to nobody: routes[0] {severity="critical"}: severity is "error"',
        "it is told nowhere, and waits for nothing",
    ]


def test_late_and_moot_statements_say_so(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    early = datetime.now(UTC) - timedelta(hours=1)
    desk.hear(now())
    desk.hear(now(status=Status.RESOLVED))
    for minute in range(3):
        desk.hear(now(at=early + timedelta(minutes=minute)))
    desk.hear(now(status=Status.RESOLVED))

    late, moot = (step for step in desk.record().chain if step.mark in (Mark.LATE, Mark.MOOT))
    assert late.times == 3
    assert moot.times == 1
    story = "\n".join(texts(desk))
    assert "and swallowed: a newer statement had decided already; it is counted in; 3 times, the last at " in story
    assert "and swallowed: nothing is open that it could resolve or note" in story


def test_what_holds_an_incident_back_is_named(redis_client: redis.Redis) -> None:
    thresholds = {
        "severe": Threshold(min_severity=Severity.CRITICAL),
        "often": Threshold(min_count=3),
        "long": Threshold(for_=timedelta(minutes=5)),
    }
    desk = Desk(redis_client, map(Board, thresholds), thresholds=thresholds)
    desk.hear(now())

    story = texts(desk)
    assert "severe: held back: error is below min_severity: critical" in story
    assert "often: held back: heard 1 times of min_count: 3" in story
    assert any(text.startswith("long: held back: has to fire for 5 min (for); next at ") for text in story)


def test_failed_attempts_are_one_line_with_a_count(redis_client: redis.Redis) -> None:
    board = Board("oncall")
    board.answers = [RetryAt("503 from the vendor", after=SECOND) for _ in range(5)]
    desk = Desk(redis_client, [board])
    desk.hear(now())
    for _ in range(5):
        desk.wake("oncall")

    (failed,) = (one for one in told(desk) if one.what == "retry")
    assert failed.times == 5
    assert failed.text.startswith("attempt failed, nothing was applied: 503 from the vendor; 5 times, the last at ")
    assert marks(desk) == "orRC"


def test_a_destination_that_waits_says_until_when_and_why(redis_client: redis.Redis) -> None:
    board = Board("oncall")
    board.answers = [RetryAt("invalid_auth: set the token", after=timedelta(minutes=1), blocked=True)]
    desk = Desk(redis_client, [board])
    desk.hear(now())

    waits = r"oncall: waits: nothing gets through there for (\d+ s|1 min) more: invalid_auth: set the token"
    assert re.fullmatch(waits, texts(desk)[-1])


def test_what_an_interrupted_attempt_left_is_said_to_be_found(redis_client: redis.Redis) -> None:
    board = Board("oncall")
    board.answers = [Unknown("connection reset")]
    desk = Desk(redis_client, [board])
    desk.hear(now())
    board.shown[desk.record().incident.id] = 1
    desk.wake("oncall")

    assert marks(desk) == "orUF"
    assert board.created == []


def test_a_rejection_is_told_with_the_vendors_words(redis_client: redis.Redis) -> None:
    board = Board("oncall")
    board.answers = [Rejected("invalid_blocks: missing | field\n at blocks[0]")]
    desk = Desk(redis_client, [board])
    desk.hear(now())

    assert "oncall: rejected for good, now a dead letter: invalid_blocks: missing | field at blocks[0]" in texts(desk)
    assert texts(desk)[-1] == f"oncall: needs a person: alert-bridge dead-letters show {'f' * 24}-1@oncall"


def test_a_chain_is_bounded_and_says_what_it_forgot(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    for _ in range(40):
        desk.hear(now())
        desk.hear(now(status=Status.RESOLVED))

    chain = desk.record().chain
    assert len(chain) == 40
    assert chain[0].mark is Mark.OPENED
    (forgotten,) = (step for step in chain if step.mark is Mark.FORGOTTEN)
    # each round: opened again and told, resolved and told; the first was routed too
    assert forgotten.times == 40 * 4 + 1 - 39
    assert any(f"here {forgotten.times} steps were forgotten" in text for text in texts(desk))


def test_a_recurrence_begins_a_chain_of_its_own(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    old = datetime.now(UTC) - timedelta(days=3)
    desk.hear(now(at=old))
    desk.hear(now(at=old, status=Status.RESOLVED))
    desk.hear(now())

    assert marks(desk) == "crC"
    first = desk.parts.incidents.find(f"{'f' * 24}-1")
    assert first is not None
    assert [step.mark for step in first.chain][:2] == [Mark.OPENED, Mark.ROUTED]


def test_a_typical_chain_is_small(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall"), Board("tickets")])
    desk.hear(now(), trace=TRACE)

    assert len(desk.record().trail[0]) < 300
