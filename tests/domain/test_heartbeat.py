"""When a heartbeat goes down, and when it is up again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.alert import Alert, Status
from bridge.domain.heartbeat import (
    Plan,
    Record,
    State,
    Verdict,
    Why,
    beat,
    called_missing,
    deadline,
    expected,
    lapse,
    replanned,
    state,
)
from bridge.domain.heartbeat_words import dismissed, rhythm, said
from bridge.domain.ping import Kind, Ping

START = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
HOURLY = Plan(name="heartbeat:backup", every=timedelta(hours=1), grace=timedelta(minutes=10))
NIGHTLY = Plan(name="heartbeat:backup", cron="0 3 * * *", timezone="Asia/Seoul", grace=timedelta(hours=1))


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def ping(minute: float, kind: Kind = Kind.SUCCESS, status: int | None = None, run: str = "", body: str = "") -> Ping:
    return Ping(name=HOURLY.name, kind=kind, at=at(minute), exit_status=status, run=run, body=body)


class Tale:
    """A heartbeat's life, and what was said of it."""

    def __init__(self, plan: Plan = HOURLY) -> None:
        self.plan = plan
        self.record = Record(since=START)
        self.alerts: list[Alert] = []
        self.when: datetime | None = None

    def ping(self, one: Ping, now: float | None = None) -> None:
        """Hear a ping, when it comes or later."""
        self._take(beat(self.record, one, self.plan, one.at if now is None else at(now)))

    def look(self, minute: float) -> None:
        """Look whether it is missing."""
        self._take(lapse(self.record, self.plan, at(minute)))

    def _take(self, verdict: Verdict) -> None:
        self.record, self.when = verdict.record, verdict.deadline
        alert = said(self.plan, verdict, START)
        self.alerts += [alert] if alert else []

    @property
    def said(self) -> list[tuple[str, datetime]]:
        """Status and time of what was said."""
        return [(str(alert.status), alert.at) for alert in self.alerts]


def test_a_ping_that_stays_away_is_missing_after_period_and_grace_and_back_with_the_next() -> None:
    tale = Tale()
    tale.ping(ping(0))
    assert tale.when == at(70)
    tale.look(69.9)
    assert tale.said == []
    tale.look(70)
    tale.look(75)
    tale.ping(ping(190))
    assert tale.said == [("firing", at(70)), ("resolved", at(190))]
    assert tale.when == at(260)
    firing, resolved = tale.alerts
    assert firing.title == "Heartbeat backup is down"
    assert firing.summary == ("No ping for 1 h 10 min; expected: every 1 h, 10 min of grace.")
    assert firing.facts == {"Last ping": "2026-11-21 05:00:00 UTC, success"}
    assert resolved.summary == "it is back; it had been missing for 2 h 10 min"
    assert (firing.fingerprint, firing.labels) == (resolved.fingerprint, {"heartbeat": "backup"})


def test_after_an_absence_of_the_bridge_it_is_held_past_its_time() -> None:
    tale = Tale()
    tale.ping(ping(0))
    assert state(tale.record, HOURLY, at(61), at(59)) is State.LATE
    assert called_missing(tale.record, HOURLY, at(59)) == at(70), "it was back long before"
    assert called_missing(tale.record, HOURLY, at(68)) == at(78.5)
    assert state(tale.record, HOURLY, at(75), at(68)) is State.HELD
    assert state(tale.record, HOURLY, at(78.5), at(68)) is State.LATE, "nobody has looked yet"
    assert state(tale.record, HOURLY, at(75)) is State.LATE
    tale.look(79)
    assert state(tale.record, HOURLY, at(79), at(78)) is State.DOWN


def test_one_that_was_never_heard_is_missing_after_period_and_grace_too() -> None:
    tale = Tale()
    assert state(tale.record, HOURLY, at(0)) is State.NEW
    tale.look(70)
    assert tale.said == [("firing", at(70))]
    assert tale.alerts[0].summary.startswith("No ping since it is watched (2026-11-21 05:00:00 UTC)")
    tale.ping(ping(80))
    assert tale.said[1:] == [("resolved", at(80))]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ping(5, Kind.FAIL), "It said that it failed."),
        (ping(5, Kind.EXIT, 3, body="\n  disk full\nmore"), "It ended with exit status 3: disk full"),
    ],
)
def test_a_failure_is_told_at_once_and_over_with_the_next_success(failure: Ping, words: str) -> None:
    tale = Tale()
    tale.ping(ping(0))
    tale.ping(failure)
    tale.look(500)
    tale.ping(ping(8, Kind.EXIT, 0))
    assert tale.said == [("firing", at(5)), ("resolved", at(8))]
    assert tale.alerts[0].summary == words
    assert tale.alerts[0].facts["Last success"] == "2026-11-21 05:00:00 UTC"
    assert tale.alerts[1].summary == "it succeeded"


def test_each_further_failure_is_said_again_as_the_same_problem() -> None:
    tale = Tale()
    for minute in (1, 2):
        tale.ping(ping(minute, Kind.FAIL))
    assert [alert.status for alert in tale.alerts] == [Status.FIRING, Status.FIRING]
    assert len({alert.event_id for alert in tale.alerts}) == 2
    assert tale.record.episode == 1


def test_a_run_that_does_not_end_within_the_grace_is_told_and_only_a_success_ends_that() -> None:
    tale = Tale()
    tale.ping(ping(0))
    tale.ping(ping(30, Kind.START))
    assert tale.when == at(40)
    assert state(tale.record, HOURLY, at(31)) is State.STARTED
    tale.look(40)
    assert tale.record.trouble
    assert tale.record.trouble.why is Why.UNFINISHED
    tale.ping(ping(41, Kind.START))
    tale.ping(ping(42, Kind.LOG))
    assert tale.record.trouble
    tale.ping(ping(45))
    assert tale.said == [("firing", at(40)), ("resolved", at(45))]
    assert tale.alerts[0].summary == "It started at 2026-11-21 05:30:00 UTC and did not end within 10 min."
    assert tale.alerts[1].summary == "it succeeded, 5 min after its run should have ended"
    assert tale.when == at(115)


def test_a_run_is_ended_by_the_ping_of_the_same_run_only() -> None:
    tale = Tale()
    tale.ping(ping(0, Kind.START, run="a"))
    tale.ping(ping(1, run="b"))
    assert tale.record.running == ping(0, Kind.START, run="a")
    tale.ping(ping(2, run="a"))
    assert tale.record.running is None
    assert tale.record.took == timedelta(minutes=2)


def test_a_note_is_kept_and_changes_nothing() -> None:
    tale = Tale()
    tale.ping(ping(0))
    tale.ping(ping(50, Kind.LOG, body="half of it is done"))
    assert tale.when == at(70)
    tale.look(70)
    assert tale.alerts[0].details == "half of it is done"


def test_a_success_that_comes_late_out_of_a_journal_ends_what_was_missing_no_earlier_than_it_began() -> None:
    tale = Tale()
    tale.ping(ping(0))
    tale.look(72)
    tale.ping(ping(60), now=73)
    assert tale.said == [("firing", at(70)), ("resolved", at(70))]


def test_a_success_that_is_itself_too_old_does_not_end_what_is_missing() -> None:
    tale = Tale()
    tale.look(70)
    tale.ping(ping(5), now=300)
    tale.ping(ping(6, Kind.LOG), now=301)
    assert tale.record.trouble
    tale.ping(ping(310))
    assert tale.said == [("firing", at(70)), ("resolved", at(310))]


def test_an_older_failure_does_not_undo_a_newer_success() -> None:
    tale = Tale()
    tale.ping(ping(10))
    tale.ping(ping(5, Kind.FAIL), now=11)
    assert tale.said == []
    assert tale.when == at(80)


def test_a_new_schedule_counts_from_now() -> None:
    tale = Tale()
    tale.ping(ping(0))
    often = msgspec.structs.replace(HOURLY, every=timedelta(minutes=1))
    assert deadline(replanned(tale.record, HOURLY, often, at(30)), often) == at(41)
    loud = msgspec.structs.replace(HOURLY, service="payments")
    assert replanned(tale.record, HOURLY, loud, at(30)) is tale.record


def test_what_is_no_longer_watched_is_over() -> None:
    tale = Tale()
    assert dismissed(HOURLY, tale.record, at(90)) is None
    tale.look(70)
    alert = dismissed(HOURLY, tale.record, at(90))
    assert alert is not None
    assert (alert.status, alert.at) == (Status.RESOLVED, at(90))


@pytest.mark.parametrize(
    ("last", "next_"),
    [
        ("2026-11-21T18:00:01+00:00", "2026-11-22T18:00:00+00:00"),
        ("2026-11-21T17:59:58+00:00", "2026-11-22T18:00:00+00:00"),  # the sender's clock is two seconds ahead
        ("2026-11-21T17:00:00+00:00", "2026-11-21T18:00:00+00:00"),
    ],
)
def test_a_cron_expression_is_meant_in_its_timezone(last: str, next_: str) -> None:
    record = Record(since=START, ends=(Ping(name="x", at=datetime.fromisoformat(last)),))
    assert expected(record, NIGHTLY) == datetime.fromisoformat(next_)
    assert rhythm(NIGHTLY) == "0 3 * * * (Asia/Seoul), 1 h of grace"


def test_a_night_without_the_hour_of_a_job_does_not_make_it_missing() -> None:
    plan = msgspec.structs.replace(NIGHTLY, cron="30 2 * * *", timezone="Europe/Berlin")
    record = Record(since=START, ends=(Ping(name="x", at=datetime(2027, 3, 27, 1, 31, tzinfo=UTC)),))
    assert expected(record, plan) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


def test_a_quiet_source_has_words_of_its_own() -> None:
    tale = Tale(Plan(name="source:sentry", every=timedelta(hours=2)))
    tale.ping(ping(0))
    tale.look(120)
    tale.ping(ping(150))
    firing, resolved = tale.alerts
    assert firing.title == "Source sentry went quiet"
    assert firing.summary == ("No request for 2 h; expected: every 2 h.")
    assert (firing.service, firing.labels) == ("sentry", {"quiet_source": "sentry"})
    assert resolved.summary == "it speaks again; a request had been missing for 30 min"


def test_bodies_of_older_pings_are_shortened_and_their_number_is_bounded() -> None:
    tale = Tale()
    for minute in range(30):
        tale.ping(ping(minute, body="x" * 5000))
        tale.ping(ping(minute, Kind.LOG, body="y" * 5000))
    assert len(msgspec.msgpack.encode(tale.record)) < 16_000
    assert len(tale.record.ends[-1].body) == 5000


def test_after_an_absence_the_next_ping_is_waited_for_but_not_for_long() -> None:
    assert HOURLY.settled(START) == at(10.5)
    assert msgspec.structs.replace(HOURLY, every=timedelta(minutes=1)).settled(START) == at(1.5)
    assert NIGHTLY.settled(START) == at(10.5)
    each_minute = msgspec.structs.replace(NIGHTLY, cron="* * * * *", grace=timedelta(seconds=10))
    assert each_minute.settled(START) == at(1) + timedelta(seconds=40)


PINGS = st.lists(
    st.builds(
        ping,
        minute=st.integers(0, 300),
        kind=st.sampled_from([Kind.SUCCESS, Kind.SUCCESS, Kind.FAIL, Kind.START, Kind.LOG]),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda one: (one.at, one.kind),
)


@settings(max_examples=60)
@given(PINGS, st.data())
def test_neither_the_order_of_arrival_nor_duplicates_change_the_state(pings: list[Ping], data: st.DataObject) -> None:
    ordered = Tale()
    for one in sorted(pings, key=lambda one: (one.at, one.kind)):
        ordered.ping(one, now=301)
    mixed = Tale()
    for one in data.draw(st.permutations(pings + data.draw(st.lists(st.sampled_from(pings), max_size=5)))):
        mixed.ping(one, now=301)
    for tale in (ordered, mixed):
        tale.look(301)
    assert state(mixed.record, HOURLY, at(301)) is state(ordered.record, HOURLY, at(301))
    assert (mixed.record.ends, mixed.record.start, mixed.record.notes) == (
        ordered.record.ends,
        ordered.record.start,
        ordered.record.notes,
    )


@settings(max_examples=60)
@given(PINGS, st.lists(st.integers(0, 400), max_size=6), st.data())
def test_whatever_comes_late_every_trouble_is_told_once_and_ends_with_a_success(
    pings: list[Ping], looks: list[int], data: st.DataObject
) -> None:
    tale = Tale()
    steps: list[Ping | int] = data.draw(st.permutations([*pings, *pings, *looks]))
    for step in steps:
        if isinstance(step, int):
            tale.look(step)
        else:
            tale.ping(step, now=300)
    assert (tale.record.trouble is not None) == bool(tale.alerts and tale.alerts[-1].status is Status.FIRING)
    tale.ping(ping(500))
    tale.look(500)
    assert tale.record.trouble is None
    assert not tale.alerts or tale.alerts[-1].status is Status.RESOLVED
    assert len({alert.event_id for alert in tale.alerts}) == len(tale.alerts)
    for before, after in pairwise(tale.alerts):
        assert Status.FIRING in (before.status, after.status)
        if after.status is Status.RESOLVED:
            assert after.at >= before.at


@given(PINGS)
def test_a_record_survives_the_store(pings: list[Ping]) -> None:
    tale = Tale()
    tale.look(70)
    for one in pings:
        tale.ping(one)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tale.record), type=Record) == tale.record
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(NIGHTLY), type=Plan) == NIGHTLY
