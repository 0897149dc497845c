"""The bridge tells of its own trouble: through the others, once, and when it is over."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import redis

from bridge.domain.alert import Alert, Severity, Status, fingerprint
from bridge.domain.routing import Route, parse_matchers
from bridge.pipeline.concerns import SAY_AGAIN, Concern, concerns, look, statement
from bridge.pipeline.sweep import sweep
from bridge.ports import Rejected, RetryAt
from bridge.store.deadletters import DeadLetters
from bridge.store.vitals import Blocked, Said, Vital
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
BLOCKED = fingerprint("alert-bridge", "blocked", "oncall")
LETTERS = fingerprint("alert-bridge", "dead-letters", "")
REVOKED = "token_revoked: set the token of an installed app (xoxb-…) in `token`"


def firing(**more: object) -> Alert:
    at = datetime.now(UTC)
    return alert(0, event=str(at), **{"at": at, **more})  # type: ignore[arg-type]  # fields by name


def revoked(after: timedelta = MINUTE) -> RetryAt:
    return RetryAt(REVOKED, after=after, blocked=True)


def desk_of(redis_client: redis.Redis, *routes: Route) -> Desk:
    return Desk(redis_client, [Board("oncall"), Board("tickets")], routes)


def vital(**more: object) -> Vital:
    fields: dict[str, object] = {"now": NOW, "blocked": {}, "letters": 0, "oldest": None, **more}
    return Vital(**fields)  # type: ignore[arg-type]  # fields by name


# --- what is a concern -----------------------------------------------------------------------------------


def kinds(**more: object) -> list[str]:
    return [concern.name for concern in concerns(vital(**more))]


def test_a_healthy_bridge_has_no_concerns() -> None:
    assert kinds(oldest=NOW - timedelta(seconds=5)) == []


def test_a_refused_token_is_a_concern_at_once_and_a_short_rate_limit_is_none() -> None:
    assert kinds(blocked={"oncall": Blocked(NOW, NOW + MINUTE, REVOKED)}) == ["blocked:oncall"]
    assert kinds(blocked={"oncall": Blocked(NOW, NOW + MINUTE / 2, "ratelimited")}) == []


def test_what_stays_blocked_for_a_minute_is_a_concern() -> None:
    assert kinds(blocked={"oncall": Blocked(NOW - MINUTE, NOW, "no route")}) == ["blocked:oncall"]


def test_dead_letters_and_an_old_inbox_are_concerns() -> None:
    assert kinds(letters=1, oldest=NOW - 2 * MINUTE) == ["dead-letters:", "behind:"]


def test_the_same_is_not_said_again_and_what_changed_not_at_once() -> None:
    def letters(number: int) -> Concern:
        return next(concerns(vital(letters=number)))

    first, said = statement("dead-letters:", letters(1), None, NOW)
    assert first is not None
    assert statement("dead-letters:", letters(1), said, NOW + 2 * SAY_AGAIN) == (None, said)
    assert statement("dead-letters:", letters(2), said, NOW + SAY_AGAIN / 2) == (None, said)
    more, said = statement("dead-letters:", letters(2), said, NOW + SAY_AGAIN)
    assert more is not None
    assert (more.status, more.event_id != first.event_id) == (Status.FIRING, True)

    over, nothing = statement("dead-letters:", None, said, NOW + 2 * SAY_AGAIN)
    assert over is not None
    assert (over.status, over.fingerprint, nothing) == (Status.RESOLVED, first.fingerprint, None)
    assert statement("dead-letters:", None, None, NOW) == (None, None)


def test_said_twice_because_of_a_crash_it_is_one_statement() -> None:
    said = Said(NOW, NOW, "")
    once, _ = statement("behind:", None, said, NOW)
    again, _ = statement("behind:", None, said, NOW + MINUTE)
    assert once is not None
    assert again is not None
    assert once.event_id == again.event_id


# --- who hears of it -------------------------------------------------------------------------------------


def test_a_blocked_destination_is_told_to_the_others_and_resolved_when_it_works_again(
    redis_client: redis.Redis,
) -> None:
    desk = desk_of(redis_client)
    desk.boards["oncall"].answers.append(revoked())
    desk.hear(firing())
    (said,) = look(desk.parts)
    desk.hear()

    assert (said.severity, said.status) == (Severity.CRITICAL, Status.FIRING)
    assert said.labels == {"alert_bridge": "true", "concern": "blocked", "destination": "oncall"}
    assert REVOKED in said.summary
    assert f"{BLOCKED}-1" in desk.boards["tickets"].created
    assert look(desk.parts) == []

    desk.wake("oncall")
    (over,) = look(desk.parts)
    desk.hear()
    assert over.status is Status.RESOLVED
    assert not desk.record(BLOCKED).incident.open
    assert desk.boards["tickets"].shown[f"{BLOCKED}-1"] == 2
    assert f"{BLOCKED}-1" not in desk.boards["oncall"].created


def test_if_only_the_broken_one_is_routed_the_others_hear_of_it(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client, Route(to=("oncall",)))
    desk.boards["oncall"].answers.append(revoked())
    desk.hear(firing())
    look(desk.parts)
    desk.hear()

    assert desk.boards["tickets"].created == [f"{BLOCKED}-1"]


def test_with_nobody_else_to_tell_nothing_goes_round_in_circles(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    desk.boards["oncall"].answers.append(revoked())
    desk.hear(firing())
    look(desk.parts)
    for _ in range(3):
        desk.hear()
        assert look(desk.parts) == []

    assert desk.parts.deliveries.due("oncall") == 1


def test_routes_see_the_bridges_own_alerts(redis_client: redis.Redis) -> None:
    own = Route(parse_matchers("alert_bridge=true"), ("tickets",))
    desk = desk_of(redis_client, own, Route(to=("oncall",)))
    desk.boards["oncall"].answers.append(Rejected("invalid_blocks"))
    desk.hear(firing())
    look(desk.parts)
    desk.hear()

    assert desk.boards["tickets"].created == [f"{LETTERS}-1"]


def test_a_dead_letter_about_dead_letters_ends_there(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    desk.boards["oncall"].answers += [Rejected("no"), Rejected("no"), Rejected("no"), Rejected("no")]
    desk.hear(firing())
    said = 0
    for _ in range(6):
        said += len(look(desk.parts))
        desk.hear()

    assert said == 1
    assert len(DeadLetters(desk.keys)) == 2


def test_a_trouble_whose_alert_is_refused_does_not_fall_back_on_the_troubled(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall"), Board("tickets")], fallbacks={"tickets": "oncall"})
    desk.boards["oncall"].answers.append(revoked())
    desk.hear(firing())
    desk.boards["tickets"].answers.append(Rejected("no"))
    look(desk.parts)
    desk.hear()

    assert desk.record(BLOCKED).standing_in == frozenset()
    assert desk.record(BLOCKED).rejected == {"tickets"}


def test_the_sweep_looks_once_in_ten_seconds(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    sweep(desk.parts)
    desk.boards["oncall"].answers.append(Rejected("no"))
    desk.hear(firing())
    sweep(desk.parts)
    assert len(desk.parts.inbox) == 0

    redis_client.delete("{ab}:looked")
    sweep(desk.parts)
    assert len(desk.parts.inbox) == 1


def test_an_old_entry_in_the_inbox_is_noticed(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    past = int((time.time() - 120) * 1000)
    redis_client.xadd("{ab}:inbox", {"a": b"\x90", "t": ""}, id=f"{past}-0")

    (said,) = look(desk.parts)
    assert said.title == "alert-bridge is behind"
