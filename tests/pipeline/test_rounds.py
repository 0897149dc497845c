"""Rounds: every check in its time, by one worker at a time, whatever happens to the others."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Event

import pytest
import redis

from bridge.domain.alert import Status
from bridge.domain.observation import Fault, Observation
from bridge.store.checks import Checks
from bridge.store.inbox import Inbox
from bridge.store.keyspace import Keyspace
from tests.e2e.bridge_processes import until
from tests.pipeline.watch import SECOND, Obedient, Rung, going, rounds, watched


def statuses(client: redis.Redis) -> list[tuple[Status, str]]:
    """Return what lies in the inbox."""
    _, taken, _ = Inbox(Keyspace(client)).take(1000)
    return [(alert.status, alert.labels["check"]) for one in taken for alert in one.alerts]


def test_two_workers_share_the_runs_and_none_is_run_twice(redis_client: redis.Redis) -> None:
    here, there = Obedient(), Obedient()
    workers = [rounds(redis_client, *(watched(f"c{n}", check) for n in range(20))) for check in (here, there)]
    with going(*workers):
        until(lambda: here.ended + there.ended >= 60 and here.ended and there.ended, "everything ran three times")
    took = (max(here.looks + there.looks) - min(here.looks + there.looks)) / SECOND

    assert here.looks
    assert there.looks
    assert len(here.looks + there.looks) <= 20 * (took + 2)


def test_a_hanging_target_never_delays_another(redis_client: redis.Redis) -> None:
    hanging, quick = Obedient(takes=60), Obedient()
    checks = [watched(f"hanging-{n}", hanging) for n in range(100)]
    with going(rounds(redis_client, *checks, watched("quick", quick))):
        until(lambda: len(hanging.looks) >= 100, "all of them hang, for a minute each")
        before = len(quick.looks)
        until(lambda: len(quick.looks) >= before + 4, "the quick one ran four times")
    gaps = [(b - a) / SECOND for a, b in pairwise(quick.looks[before:])]

    assert max(gaps) < 15


def test_a_target_that_always_takes_the_whole_time_is_settled_and_goes_on(redis_client: redis.Redis) -> None:
    slow = Obedient(Fault.TIMEOUT, takes=1.0)
    with going(rounds(redis_client, watched("slow", slow))):
        until(lambda: len(statuses(redis_client)) > 0, "it is said")


def test_a_check_that_raises_is_seen_to_and_does_not_end_the_others(redis_client: redis.Redis) -> None:
    broken, fine = Obedient(raises=ValueError("secret in a message")), Obedient()
    with going(rounds(redis_client, watched("broken", broken), watched("fine", fine))):
        until(lambda: len(fine.looks) >= 3 and broken.ended >= 2, "both go on")
        # what a pause of the worker made of a run is no failure: on a slow machine, some more may be needed
        until(lambda: Checks(Keyspace(redis_client)).standing(["broken"])["broken"].record.down, "it is down")
    record = Checks(Keyspace(redis_client)).standing(["broken"])["broken"].record

    assert record.down
    assert record.last is not None
    assert record.last.fault is Fault.BROKEN
    assert "ValueError" in record.last.got
    assert "secret" not in record.last.got


def test_what_a_paused_worker_saw_is_no_failure_of_the_target(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.pipeline.rounds.PAUSED", timedelta(milliseconds=200))

    class Pausing(Obedient):
        async def look(self, now: datetime, trace_id: str) -> Observation:
            if not self.looks:
                self.looks.append(now)
                self.fault = Fault.TIMEOUT
                time.sleep(1.5)
                return await super().look(now, trace_id)
            self.fault = None
            return await super().look(now, trace_id)

    check = Pausing()
    with going(rounds(redis_client, watched("shop", check))):
        until(lambda: check.ended >= 2, "it goes on")

    assert statuses(redis_client) == []


def test_what_a_run_says_rings_for_the_inbox(redis_client: redis.Redis) -> None:
    bell, check = Rung(), Obedient(Fault.STATUS)
    with going(rounds(redis_client, watched("shop", check), bell=bell)):
        until(lambda: bell.heard["ingest"] > 0, "the bell rang")
        check.fault = None
        until(lambda: not Checks(Keyspace(redis_client)).standing(["shop"])["shop"].record.down, "it is up")
    said = statuses(redis_client)

    assert said[0] == (Status.FIRING, "shop")
    assert said[-1] == (Status.RESOLVED, "shop")


def test_a_broker_that_hangs_delays_nothing(redis_client: redis.Redis) -> None:
    class Stuck(Rung):
        free = Event()

        def ingest(self) -> None:
            super().ingest()
            self.free.wait(120)

    bell, down = Stuck(), Obedient(Fault.STATUS)
    with going(rounds(redis_client, *(watched(f"c{n}", down) for n in range(5)), bell=bell)):
        until(lambda: len(statuses(redis_client)) > 0, "it is said")
        seen = down.ended
        until(lambda: down.ended >= seen + 15, "the runs go on")
        bell.free.set()

    assert bell.heard["ingest"] <= 2


def test_many_that_are_due_at_once_are_all_begun(redis_client: redis.Redis) -> None:
    check = Obedient()
    one = rounds(redis_client, *(watched(f"c{n}", check, every="1h", timeout="5s") for n in range(300)))
    with going(one):
        until(lambda: Checks(Keyspace(redis_client)).tally().number == 300, "they are enrolled")
        due = Keyspace(redis_client).key("checks:due")
        redis_client.zadd(due, {f"c{n}": 1 for n in range(300)}, xx=True)
        until(lambda: check.ended >= 300, "all of them ran")


def test_stopping_abandons_what_is_under_way_and_the_next_run_is_elsewhere(redis_client: redis.Redis) -> None:
    here, there = Obedient(takes=60), Obedient()
    with going(rounds(redis_client, watched("shop", here))):
        until(lambda: bool(here.looks), "it is under way")
        began = time.monotonic()
    assert time.monotonic() - began < 30
    with going(rounds(redis_client, watched("shop", there))):
        until(lambda: there.ended > 0, "it runs elsewhere")
    assert (there.looks[0] - here.looks[0]) < timedelta(seconds=30)


def test_without_any_checks_there_is_nothing_to_run(redis_client: redis.Redis) -> None:
    with going(rounds(redis_client)) as (thread,):
        thread.join(60)
        assert not thread.is_alive()


def test_checks_that_were_all_taken_out_are_forgotten(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.checks.REMOVED_AFTER", timedelta(milliseconds=10))
    monkeypatch.setattr("bridge.pipeline.rounds.ENROLL_EVERY", 0.05)
    down = Obedient(Fault.DNS)
    with going(rounds(redis_client, watched("shop", down))):
        until(lambda: len(statuses(redis_client)) > 0, "it is down")
    with going(rounds(redis_client)) as (thread,):
        thread.join(60)
        assert not thread.is_alive()

    *repeats, last = statuses(redis_client)
    assert last == (Status.RESOLVED, "shop")
    assert (Status.RESOLVED, "shop") not in repeats
    assert not Checks(Keyspace(redis_client)).any()


def test_workers_with_different_configs_share_what_both_have_and_keep_what_only_one_has(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.checks.REMOVED_AFTER", timedelta(seconds=20))
    monkeypatch.setattr("bridge.pipeline.rounds.ENROLL_EVERY", 0.2)
    both, only_old, only_new = Obedient(), Obedient(), Obedient()
    old = rounds(redis_client, watched("both", both, every="1h"), watched("old", only_old))
    new = rounds(redis_client, watched("both", both), watched("new", only_new))
    with going(old, new):
        until(lambda: min(len(check.looks) for check in (both, only_old, only_new)) >= 3, "all of them run")
    gone = Checks(Keyspace(redis_client)).enroll([])[1]

    assert gone == []
