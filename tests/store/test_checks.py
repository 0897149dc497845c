"""Runs of checks: taken by one worker, on a grid, settled by whoever holds them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.checkup import Record
from bridge.domain.observation import Fault, Observation
from bridge.store.checks import Checks, Settled, Taken, Timetable
from bridge.store.inbox import Inbox
from bridge.store.keyspace import Keyspace

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
AT = datetime(2026, 7, 1, tzinfo=UTC)
DOWN = Record(down=True, since=AT, failed=3, last=Observation(at=AT, took=SECOND, fault=Fault.TIMEOUT))
UP = Record(last=Observation(at=AT, took=SECOND))


def table(name: str = "shop", every: timedelta = MINUTE, timeout: timedelta = SECOND) -> Timetable:
    return Timetable(name=name, every=every, timeout=timeout)


def alert(event: str = "e") -> Alert:
    return Alert(
        source="checks", fingerprint="f", event_id=event, status=Status.FIRING, severity=Severity.INFO, at=AT, title="t"
    )


class Shelf:
    """The store of checks, with hands to move its clock: what is due, taken, claimed can be made older."""

    def __init__(self, client: redis.Redis) -> None:
        self.keys = Keyspace(client)
        self.checks = Checks(self.keys)
        self.inbox = Inbox(self.keys)

    def let_pass(self, span: timedelta) -> None:
        for name in ("checks:due", "checks:claimed"):
            scores = self.keys.client.zrange(self.keys.key(name), 0, -1, withscores=True)
            if earlier := {member: score - span.total_seconds() * 1000 for member, score in scores}:
                self.keys.client.zadd(self.keys.key(name), earlier)

    def next_run(self, name: str = "shop") -> float:
        return float(self.keys.client.zscore(self.keys.key("checks:due"), name) or 0)

    def taken(self, one: Timetable) -> Taken:
        """Make it due, and take it."""
        self.checks.enroll([one])
        self.keys.client.zadd(self.keys.key("checks:due"), {one.name: 1})
        (run,) = self.checks.take([one])
        return run


@pytest.fixture
def shelf(redis_client: redis.Redis) -> Shelf:
    return Shelf(redis_client)


def test_a_check_is_due_within_a_minute_and_then_on_its_grid(shelf: Shelf) -> None:
    daily = table(every=timedelta(days=1))
    now, _ = shelf.checks.enroll([daily])
    assert 0 <= shelf.next_run() / 1000 - now.timestamp() <= 60

    shelf.let_pass(MINUTE)
    names, _ = shelf.checks.due(10)
    assert names == ["shop"]
    (run,) = shelf.checks.take([daily])
    every, phase = daily.slots()
    assert (shelf.next_run() - phase) % every == 0
    assert run.at.timestamp() * 1000 < shelf.next_run() <= run.at.timestamp() * 1000 + every


def test_a_second_worker_finds_nothing_to_take(shelf: Shelf) -> None:
    shelf.taken(table())

    assert shelf.checks.take([table()]) == []
    assert shelf.checks.due(10)[0] == []


def test_what_is_not_due_is_not_taken_and_how_long_it_takes_is_said(shelf: Shelf) -> None:
    shelf.taken(table())
    names, wait = shelf.checks.due(10)

    assert names == []
    assert wait is not None
    assert timedelta() < wait <= MINUTE + SECOND
    assert shelf.checks.take([table()]) == []


def test_missed_slots_are_skipped(shelf: Shelf) -> None:
    run = shelf.taken(table(every=SECOND * 10))

    assert 0 < shelf.next_run() / 1000 - run.at.timestamp() <= 10


def test_a_run_that_may_still_be_under_way_is_not_begun_elsewhere(shelf: Shelf) -> None:
    one = table(every=SECOND, timeout=SECOND)
    run = shelf.taken(one)
    assert shelf.next_run() / 1000 - run.at.timestamp() == pytest.approx(3, abs=0.01)

    assert shelf.checks.settle(run, Settled(record=UP)) == (True, False)
    assert shelf.next_run() / 1000 - run.at.timestamp() <= 1


def test_only_the_current_run_may_settle(shelf: Shelf) -> None:
    paused = shelf.taken(table())
    current = shelf.taken(table())

    assert shelf.checks.settle(paused, Settled(record=DOWN, said=alert())) == (False, False)
    assert shelf.checks.settle(current, Settled(record=UP)) == (True, False)
    assert shelf.checks.settle(current, Settled(record=DOWN, said=alert())) == (False, False)
    assert len(shelf.inbox) == 0
    assert shelf.checks.standing(["shop"])["shop"].record == UP


def test_a_record_and_what_it_says_are_written_together(shelf: Shelf) -> None:
    settled = shelf.checks.settle(shelf.taken(table()), Settled(record=DOWN, said=alert()))

    assert settled == (True, True)
    assert shelf.inbox.take(10)[1][0].alerts == [alert()]
    assert shelf.taken(table()).record == DOWN
    assert shelf.checks.tally().down == 1
    assert shelf.keys.client.hget(shelf.keys.key("counts"), "check:timeout") == b"1"


def test_repeats_wait_for_a_crowded_inbox_but_news_does_not(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.checks.REPEATS_LIMIT", 1)
    shelf.checks.settle(shelf.taken(table()), Settled(record=DOWN, said=alert("1")))
    shelf.checks.settle(shelf.taken(table()), Settled(record=DOWN, said=alert("2"), repeats=True))
    shelf.checks.settle(shelf.taken(table()), Settled(record=UP, said=alert("3")))

    assert [one.alerts[0].event_id for one in shelf.inbox.take(10)[1]] == ["1", "3"]


def test_a_shorter_interval_takes_effect_and_a_longer_one_does_not_delay_what_is_due(shelf: Shelf) -> None:
    hourly, often = table(every=timedelta(hours=1)), table(every=SECOND * 10)
    shelf.taken(hourly)
    now, _ = shelf.checks.enroll([often])
    assert 0 < shelf.next_run() / 1000 - now.timestamp() <= 10

    planned = shelf.next_run()
    shelf.checks.enroll([hourly])
    assert shelf.next_run() == planned


def test_a_check_that_any_worker_has_stays(shelf: Shelf) -> None:
    shelf.checks.enroll([table("old"), table("both")])
    _, gone = shelf.checks.enroll([table("both"), table("new")])
    assert gone == []

    shelf.let_pass(MINUTE * 3)
    shelf.checks.enroll([table("old")])
    _, gone = shelf.checks.enroll([table("new")])
    assert gone == [("both", b"")]


def test_a_check_that_no_worker_has_is_forgotten_and_its_outage_ended_once(shelf: Shelf) -> None:
    shelf.checks.settle(shelf.taken(table("gone")), Settled(record=DOWN))
    shelf.let_pass(MINUTE * 3)
    _, gone = shelf.checks.enroll([])

    ((name, record),) = gone
    assert shelf.checks.retire(name, record, alert("farewell"))
    assert not shelf.checks.retire(name, record, alert("again"))
    assert len(shelf.inbox) == 1
    assert not shelf.checks.any()
    assert shelf.checks.tally().number == shelf.checks.tally().down == 0
    assert list(shelf.keys.client.scan_iter(shelf.keys.key("checks:*"))) == []


def test_a_check_that_is_back_is_not_forgotten(shelf: Shelf) -> None:
    shelf.taken(table())
    shelf.let_pass(MINUTE * 3)
    ((name, record),) = shelf.checks.enroll([])[1]
    shelf.checks.enroll([table()])

    assert not shelf.checks.retire(name, record, None)
    assert shelf.checks.any()


def test_a_run_that_nobody_takes_is_overdue(shelf: Shelf) -> None:
    shelf.checks.enroll([table()])
    shelf.let_pass(MINUTE * 5)

    tally = shelf.checks.tally()
    assert (tally.number, tally.down) == (1, 0)
    assert MINUTE * 4 <= tally.overdue <= MINUTE * 5 + SECOND


def test_a_record_of_a_newer_version_is_begun_anew(shelf: Shelf) -> None:
    shelf.keys.client.hset(shelf.keys.key("checks:record"), "shop", b"\x93nonsense")

    assert shelf.taken(table()).record == Record()


@given(st.lists(st.text("abc", min_size=1, max_size=8), unique=True, min_size=1), st.integers(1000, 10**8))
def test_first_runs_lie_within_the_interval_and_a_minute(names: list[str], every: int) -> None:
    for name in names:
        _, span, phase, first = table(name, timedelta(milliseconds=every)).enrolled()
        assert span == every
        assert 0 <= int(phase) < every
        assert 0 <= int(first) < min(every, 60_000)


def test_a_thousand_checks_are_taken_in_little_time(shelf: Shelf) -> None:
    tables = [table(f"check-{n}") for n in range(1000)]
    shelf.checks.enroll(tables)
    shelf.let_pass(MINUTE)
    began = time.perf_counter()
    names, _ = shelf.checks.due(1000)

    assert len(names) == len(shelf.checks.take(tables)) == 1000
    assert time.perf_counter() - began < 20, "some 70 ms on an idle machine"
