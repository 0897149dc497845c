"""The bridge tells of its own trouble: through the others, once, and when it is over."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import redis

from bridge.domain.alert import Alert, Severity, Status, fingerprint
from bridge.domain.routing import Route, Threshold, parse_matchers
from bridge.pipeline.concerns import Concern, Limits, concerns
from bridge.pipeline.deliver import deliver
from bridge.pipeline.selfwatch import SAY_AGAIN, look, statement, watch
from bridge.ports import Rejected, RetryAt, Unknown
from bridge.settings.sections import InboxLimit
from bridge.settings.self_watch import SelfWatch
from bridge.store.deadletters import DeadLetters
from bridge.store.notes import Note, encode_note
from bridge.store.presence import Presence, Worker
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
    return [concern.name for concern in concerns(vital(**more), Limits())]


def test_checks_that_nobody_runs_are_a_concern() -> None:
    assert kinds(check_due=NOW - timedelta(seconds=59)) == []
    assert kinds(check_due=NOW + MINUTE) == []
    assert kinds(check_due=NOW - MINUTE) == ["checks:"]


def test_a_healthy_bridge_has_no_concerns() -> None:
    assert kinds(oldest=NOW - timedelta(seconds=5)) == []


def test_a_refused_token_is_a_concern_at_once_and_a_short_rate_limit_is_none() -> None:
    assert kinds(blocked={"oncall": Blocked(NOW, NOW + MINUTE, REVOKED)}) == ["blocked:oncall"]
    assert kinds(blocked={"oncall": Blocked(NOW, NOW + MINUTE / 2, "ratelimited")}) == []


def test_what_stays_blocked_for_a_minute_is_a_concern() -> None:
    assert kinds(blocked={"oncall": Blocked(NOW - MINUTE, NOW, "no route")}) == ["blocked:oncall"]


def test_dead_letters_and_an_old_inbox_are_concerns() -> None:
    assert kinds(letters=1, oldest=NOW - 2 * MINUTE) == ["dead-letters:", "behind:"]


def test_what_was_due_for_minutes_is_a_concern_unless_its_destination_is_blocked_anyway() -> None:
    owed = {"oncall": NOW - 5 * MINUTE, "tickets": NOW - 4 * MINUTE}
    assert kinds(owed=owed) == ["overdue:oncall"]
    blocked = {"oncall": Blocked(NOW - MINUTE, NOW, "no route")}
    assert kinds(owed=owed, blocked=blocked) == ["blocked:oncall"]


def test_a_sweep_that_stands_still_is_a_concern_and_one_that_never_began_none() -> None:
    assert kinds(swept=NOW - timedelta(seconds=29)) == []
    assert kinds(swept=None) == []
    assert kinds(swept=NOW - timedelta(seconds=30)) == ["sweep:"]


def test_an_inbox_over_its_limit_is_a_concern_by_the_workers_own_look_or_by_a_receivers_word() -> None:
    full = Note(name="web-1/receiver-1", at=NOW, full=True)
    assert kinds(entries=200_000) == kinds(bytes=256 << 20) == kinds(receivers=(full,)) == ["inbox-full:"]
    assert kinds(receivers=(msgspec.structs.replace(full, at=NOW - MINUTE),)) == [], "it is gone"


def test_senders_that_were_sent_away_are_a_concern_for_a_minute() -> None:
    note = Note(name="web-1/receiver-1", at=NOW, refused_at=NOW, refused_by="journal,waiting")
    (refusing,) = concerns(vital(receivers=(note,)), Limits())
    assert refusing.name == "refusing:"
    assert "(journal, waiting)" in refusing.summary
    assert kinds(receivers=(msgspec.structs.replace(note, refused_at=NOW - MINUTE),)) == []
    assert kinds(receivers=(msgspec.structs.replace(note, refused_by="inbox"),)) == [], "inbox-full says that"


def test_a_journal_that_is_held_or_useless_is_a_concern() -> None:
    held = Note(name="web-1/receiver-1", at=NOW, records=3, held_since=NOW - MINUTE)
    assert kinds(receivers=(held,)) == ["journal:"]
    assert kinds(receivers=(msgspec.structs.replace(held, held_since=NOW),)) == []
    assert kinds(receivers=(Note(name="web-1/receiver-1", at=NOW, usable=False),)) == ["journal-unusable:"]


def test_what_a_dead_receiver_holds_is_a_concern_and_nothing_else_of_it() -> None:
    dead = Note(name="web-1/receiver-1", at=NOW - 10 * MINUTE, records=3, held_since=NOW - 10 * MINUTE, full=True)
    assert kinds(receivers=(dead,)) == ["journal:"]


def test_a_worker_that_vanished_is_a_concern_while_others_live_and_none_took_its_place() -> None:
    def worker(name: str, started: timedelta, beat: timedelta) -> Worker:
        return Worker(f"{name}:1:abc", NOW - started, NOW - beat)

    gone = worker("w1", 9 * MINUTE, MINUTE)
    old, new = worker("w2", 9 * MINUTE, MINUTE / 30), worker("w3", MINUTE / 2, MINUTE / 30)
    assert kinds(workers=(gone, old)) == ["worker-gone:"]
    assert kinds(workers=(gone,)) == [], "nobody is left to say so"
    assert kinds(workers=(gone, old, new)) == [], "another one was started in its place"
    many = tuple(worker(f"x{n}", 9 * MINUTE, MINUTE + n * MINUTE) for n in range(3))
    late = tuple(worker(f"y{n}", MINUTE / 2, MINUTE / 30) for n in range(3))
    assert kinds(workers=(*many, *late)) == ["worker-gone:"], "workers vanish again and again"


def test_thresholds_are_configured() -> None:
    limits = Limits(SelfWatch(dead_letters=3, behind_by=10 * MINUTE), InboxLimit(entries=10))
    assert list(concerns(vital(letters=2, oldest=NOW - 2 * MINUTE, entries=9), limits)) == []
    found = [c.kind for c in concerns(vital(letters=3, oldest=NOW - 10 * MINUTE, entries=10), limits)]
    assert found == ["dead-letters", "behind", "inbox-full"]


def test_the_same_is_not_said_again_and_what_changed_not_at_once() -> None:
    def letters(number: int) -> Concern:
        return next(concerns(vital(letters=number), Limits()))

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


def test_one_worker_in_all_looks_once_in_ten_seconds(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    watch(desk.parts)
    desk.boards["oncall"].answers.append(Rejected("no"))
    desk.hear(firing())
    assert watch(desk.parts) == []

    redis_client.delete("{ab}:looked")
    assert [said.labels["concern"] for said in watch(desk.parts)] == ["dead-letters"]


# --- from the real store -----------------------------------------------------------------------------------


def test_five_unknown_outcomes_in_a_row_block_the_destination_and_the_others_hear_of_it(
    redis_client: redis.Redis,
) -> None:
    desk = desk_of(redis_client)
    desk.boards["oncall"].answers += [Unknown("Slack did not answer in 8 s")] * 9
    for number in range(5):
        desk.hear(firing(fingerprint=f"{number:024}"))
    since, _, reason = (redis_client.get("{ab}:probe:oncall") or b"").partition(b"|")
    assert reason == b"Slack did not answer in 8 s"
    assert [said.labels["concern"] for said in look(desk.parts)] == [], "not for a minute yet"

    redis_client.set("{ab}:probe:oncall", b"%d|%s" % (int(since) - 60_000, reason))
    (said,) = look(desk.parts)
    desk.hear()
    assert said.labels == {"alert_bridge": "true", "concern": "blocked", "destination": "oncall"}
    assert f"{BLOCKED}-1" in desk.boards["tickets"].created


def test_a_delivery_that_fails_again_and_again_grows_old_until_it_is_done(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    vitals = desk.parts.vitals
    assert vitals is not None
    desk.boards["oncall"].answers += [RetryAt("busy", after=timedelta())] * 2
    desk.hear(firing())
    began = vitals.read(["oncall", "tickets"])
    assert list(began.owed) == ["oncall"]
    desk.wake("oncall")
    assert vitals.read(["oncall"]).owed == {"oncall": began.owed["oncall"]}
    desk.wake("oncall")
    assert vitals.read(["oncall"]).owed == {}


def test_what_waits_to_be_worth_telling_is_not_owed_yet(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")], thresholds={"oncall": Threshold(for_=timedelta(hours=1))})
    desk.hear(firing())
    vitals = desk.parts.vitals
    assert vitals is not None
    found = vitals.read(["oncall"])
    assert found.owed["oncall"] > found.now + timedelta(minutes=50)
    assert list(concerns(found, Limits())) == []


def test_a_full_inbox_does_not_keep_its_own_alert(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    parts = replace(desk.parts, inbox_limit=InboxLimit(entries=2))
    for _ in range(3):
        parts.inbox.put([firing()])
    (said,) = look(parts)
    deliver(parts, "tickets")

    assert said.labels["concern"] == "inbox-full"
    assert [i.partition("-")[0] for i in desk.boards["tickets"].created] == [said.fingerprint]
    assert len(parts.inbox) == 3


def test_when_nobody_hears_the_bell_the_looking_worker_tells_of_it_itself(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    past = int((time.time() - 120) * 1000)
    redis_client.xadd("{ab}:inbox", {"a": b"\x90", "t": ""}, id=f"{past}-0")
    (said,) = look(desk.parts)

    assert said.title == "alert-bridge is behind"
    assert desk.boards["oncall"].created == desk.boards["tickets"].created == [f"{said.fingerprint}-1"]


def test_a_worker_says_that_it_lives_and_goodbye(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    vitals = desk.parts.vitals
    assert vitals is not None
    one, other = Presence(desk.keys, "w1:1:a"), Presence(desk.keys, "w2:1:b")
    one.beat()
    (first,) = vitals.read([]).workers
    one.beat()
    other.beat()
    assert next((w.place, w.started) for w in vitals.read([]).workers) == ("w1:1", first.started)
    hour = int((time.time() - 3601) * 1000)
    redis_client.hset("{ab}:workers", "w0:1:c", f"{hour}|{hour}")
    one.leave()
    Presence(desk.keys, "w2:1:b").beat()
    assert [w.name for w in vitals.read([]).workers] == ["w2:1:b"], "one left, one was silent for an hour"


def test_notes_of_receivers_are_read_and_thrown_away_after_a_day(redis_client: redis.Redis) -> None:
    desk = desk_of(redis_client)
    now = datetime.now(UTC)
    for name, at in {"new": now, "old": now - timedelta(hours=25)}.items():
        redis_client.hset("{ab}:receivers", name, encode_note(Note(name=name, at=at, usable=name == "old")))
    (said,) = look(desk.parts)

    assert said.labels["concern"] == "journal-unusable"
    assert redis_client.hkeys("{ab}:receivers") == [b"new"]
