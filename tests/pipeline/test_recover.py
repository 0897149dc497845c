"""Recovery actions: what they wait for, what holds them back, what is told, and that nothing is done twice."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from threading import Barrier, Thread
from time import sleep

import msgspec
import pytest
import redis

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.canary import NAME, fingerprint_of
from bridge.domain.recovery import Guard
from bridge.pipeline import fence
from bridge.pipeline import recover as recover_
from bridge.pipeline.audience import SELF
from bridge.pipeline.recover import recover
from bridge.pipeline.story import story
from bridge.pipeline.sweep import sweep
from bridge.ports import Refused, Unsure
from bridge.store.inbox import body_of
from bridge.store.runs import State
from tests.pipeline.lever import ARMED, LeverDesk, firing
from tests.pipeline.time_machine import forward
from tests.strategies import alert

MINUTE = 60.0
OTHER = "e" * 24
MISTAKE = "a mistake in the bridge (ZeroDivisionError): its log has the traceback"


class Killed(BaseException):
    """Stands for kill -9: nobody catches it."""


def kill() -> None:
    raise Killed


def armed(**more: object) -> Guard:
    """Return a guard that lets an action run at once, but for what is given."""
    return msgspec.structs.replace(ARMED, **more)


@pytest.fixture
def desk(redis_client: redis.Redis) -> LeverDesk:
    """A desk whose lever is pulled at once for what is an error."""
    return LeverDesk(redis_client)


# --- what is done, and told --------------------------------------------------------------------------------


def test_a_run_is_done_once_and_told_in_the_timeline_and_to_destinations(desk: LeverDesk) -> None:
    desk.fire()

    assert desk.recover() == 1
    assert desk.recover() == 0
    desk.fire(1)
    assert desk.recover() == 0

    assert len(desk.lever.pulled) == 1
    assert desk.said() == ["recovery pull: pulled the lever of checkout"]
    desk.wake("oncall")
    assert desk.board.shown[desk.record().incident.id] == desk.record().incident.version


def test_an_attempt_carries_a_key_that_names_this_run(desk: LeverDesk) -> None:
    desk.fire()
    desk.recover()

    (attempt,) = desk.lever.pulled
    assert attempt.key == f"recovery_{'f' * 24}-1_1_pull"
    assert attempt.incident.service == "checkout"


def test_by_default_it_is_only_said_what_would_be_done(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, Guard(after=timedelta()))
    desk.fire()
    desk.recover()

    assert not desk.lever.pulled
    assert desk.said() == ["recovery pull (dry run): would pull the lever of checkout"]


def test_a_rehearsal_uses_up_nothing_of_the_real_thing(redis_client: redis.Redis) -> None:
    rehearsing = LeverDesk(redis_client, Guard(after=timedelta(), per_hour=1))
    rehearsing.fire()
    rehearsing.recover()

    real = LeverDesk(redis_client, armed(per_hour=1))
    real.fire(fingerprint=OTHER)
    real.recover()

    assert len(real.lever.pulled) == 1


def test_what_no_route_asks_for_is_left_alone(desk: LeverDesk) -> None:
    desk.fire(severity=Severity.WARNING)

    assert desk.recover() == 0


def test_the_bridges_own_trouble_is_no_reason_to_restart_anything(desk: LeverDesk) -> None:
    desk.fire(source=SELF, severity=Severity.CRITICAL)

    assert desk.recover() == 0


def test_a_canary_is_no_reason_either(desk: LeverDesk) -> None:
    desk.fire(source=NAME, fingerprint=fingerprint_of("0" * 16), severity=Severity.CRITICAL)

    assert desk.recover() == 0
    assert not desk.keys.client.exists(desk.keys.key("due:recover:pull"))


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Refused("the thing is not there"), "recovery pull: not done: the thing is not there"),
        (Unsure("no answer"), "recovery pull: outcome unknown: no answer; not tried again"),
        (
            ZeroDivisionError("x"),
            f"recovery pull: outcome unknown: {MISTAKE}; not tried again",
        ),
    ],
)
def test_what_went_wrong_is_told_and_not_tried_again(desk: LeverDesk, failure: Exception, said: str) -> None:
    def fail() -> None:
        raise failure

    desk.lever.then = fail
    desk.fire()
    desk.recover()
    forward(desk.keys.client, 10 * MINUTE)

    assert desk.recover() == 0
    assert len(desk.lever.pulled) == 1
    assert desk.said() == [said]


def test_a_target_that_the_alert_can_not_name_is_refused(desk: LeverDesk) -> None:
    desk.fire(service="")
    desk.recover()

    assert desk.said() == ["recovery pull: not done: there is no service"]


def test_the_result_is_told_also_when_the_incident_was_resolved_meanwhile(desk: LeverDesk) -> None:
    desk.fire()
    desk.lever.then = lambda: desk.hear(alert(1, Status.RESOLVED))
    desk.recover()

    assert not desk.record().incident.open
    assert desk.said() == ["recovery pull: pulled the lever of checkout"]


def test_every_decision_is_in_the_incidents_story(desk: LeverDesk) -> None:
    desk.fire()
    desk.recover()

    told = [one.text for one in story(desk.record(), {}, UTC)]
    assert any(text.startswith("recovery pull: waits; next at ") for text in told)
    assert any(text.startswith("recovery pull: begins, as recovery_") for text in told)
    assert any(text.endswith("recovery pull: pulled the lever of checkout") for text in told)


# --- what it waits for -------------------------------------------------------------------------------------


def test_it_waits_until_the_incident_has_been_firing_for_long_enough(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(after=timedelta(minutes=5)))
    desk.fire(at=datetime.now(UTC))
    assert desk.recover() == 0

    forward(redis_client, 5 * MINUTE)
    assert sweep(desk.parts) == ["recover:pull"]
    assert desk.recover() == 1
    assert len(desk.lever.pulled) == 1


def test_what_is_resolved_before_it_is_due_is_not_run(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(after=timedelta(minutes=5)))
    now = datetime.now(UTC)
    desk.fire(at=now)
    desk.hear(alert(0, Status.RESOLVED, at=now + timedelta(seconds=1)))
    forward(redis_client, 5 * MINUTE)
    desk.recover()

    assert not desk.lever.pulled
    assert not desk.said()
    assert any("resolved before it was due" in step.text for step in desk.record().chain)


def test_what_no_longer_matches_is_not_run(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(after=timedelta(minutes=5)))
    now = datetime.now(UTC)
    desk.fire(at=now)
    desk.fire(at=now + timedelta(seconds=1), event="eased", severity=Severity.WARNING)
    forward(redis_client, 5 * MINUTE)
    desk.recover()

    assert not desk.lever.pulled


def test_while_requests_wait_to_be_read_nothing_is_begun(desk: LeverDesk) -> None:
    desk.fire()
    desk.keys.client.delete(desk.keys.key("inbox"))
    desk.keys.client.xadd(desk.keys.key("inbox"), {"a": b"\x90", "t": ""}, id="1-1")

    assert recover(desk.parts, "pull") == 0
    assert not desk.lever.pulled
    desk.read()
    assert desk.recover() == 1


def accepted(desk: LeverDesk, *alerts: Alert, ago: float = 0) -> None:
    """Let a receiver have accepted alerts, so many seconds ago, which nobody has read yet."""
    seconds, micros = desk.keys.client.time()
    ms = int((seconds + micros / 1e6 - ago) * 1000)
    desk.keys.client.xadd(desk.keys.key("inbox"), {"a": body_of(alerts), "t": ""}, id=f"{ms}-*")


def test_a_resolution_that_was_accepted_wins_though_nobody_has_read_it_yet(desk: LeverDesk) -> None:
    desk.fire()
    accepted(desk, alert(1, Status.RESOLVED))

    assert not any(recover(desk.parts, "pull") for _ in range(5)), "however often it is asked for"
    desk.read()
    assert desk.recover() == 1
    assert not desk.lever.pulled
    assert any("the incident was resolved before it was due" in step.text for step in desk.record().chain)


def test_a_resolution_that_a_worker_has_taken_and_not_yet_folded_wins_too(desk: LeverDesk) -> None:
    desk.fire()
    accepted(desk, alert(1, Status.RESOLVED))
    desk.parts.inbox.take(10)

    assert recover(desk.parts, "pull") == 0
    assert not desk.lever.pulled


def test_what_was_accepted_of_others_holds_it_up_only_until_it_is_read(desk: LeverDesk) -> None:
    desk.fire()
    accepted(desk, firing(1, fingerprint=OTHER, severity=Severity.INFO))

    assert recover(desk.parts, "pull") == 0
    desk.read()
    assert desk.recover() == 1
    assert len(desk.lever.pulled) == 1


def test_in_a_storm_in_which_the_inbox_is_never_empty_it_still_runs(desk: LeverDesk) -> None:
    desk.fire()
    rounds = 0
    while not desk.lever.pulled:
        accepted(desk, firing(rounds, fingerprint=OTHER, severity=Severity.INFO))
        recover(desk.parts, "pull")
        for entry, _ in desk.keys.client.xrange(desk.keys.key("inbox"))[:-1]:
            desk.keys.client.xdel(desk.keys.key("inbox"), entry)  # was read meanwhile, all but the newest
        sleep(0.002)  # the ids of entries are milliseconds
        rounds += 1
        assert rounds <= 5, "two for what was there when it was asked for, two for what pings bring, then it runs"


def test_what_a_ping_resolves_comes_into_the_inbox_anew_and_wins(desk: LeverDesk) -> None:
    desk.fire()
    accepted(desk)  # the ping
    assert recover(desk.parts, "pull") == 0
    sleep(0.002)
    accepted(desk, alert(1, Status.RESOLVED))  # what follows from it, before the ping is done
    oldest = desk.keys.client.xrange(desk.keys.key("inbox"))[0][0]
    desk.keys.client.xdel(desk.keys.key("inbox"), oldest)

    assert recover(desk.parts, "pull") == 0
    desk.read()
    assert desk.recover() == 1
    assert not desk.lever.pulled


def test_what_it_was_asked_for_once_says_nothing_of_the_next_spell(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(cool_down=timedelta()))
    desk.fire()
    accepted(desk, alert(1, Status.RESOLVED), firing(2))
    assert recover(desk.parts, "pull") == 0
    desk.read()
    assert desk.recover() == 2, "the one before is over, the next runs"
    assert [one.key[-6:] for one in desk.lever.pulled] == ["2_pull"]
    assert not [name for name in redis_client.hkeys(desk.keys.key(f"i:{'f' * 24}")) if name.startswith(b"ask:")]


def test_what_was_due_long_ago_is_not_run_but_told(desk: LeverDesk) -> None:
    desk.fire()
    forward(desk.keys.client, 20 * MINUTE)
    desk.recover()

    assert not desk.lever.pulled
    (said,) = desk.said()
    assert re.fullmatch(r"recovery pull: not run: it was due 20 min( \d+ s)? ago", said)


# --- what holds it back ------------------------------------------------------------------------------------


def test_the_same_target_cools_down_and_the_reason_is_told_once(desk: LeverDesk) -> None:
    desk.fire()
    desk.recover()
    desk.fire(fingerprint=OTHER)
    desk.recover()
    desk.recover()

    assert len(desk.lever.pulled) == 1
    (said,) = desk.said(OTHER)
    assert said.startswith("recovery pull: not run: it ran against the same target at ")
    assert said.endswith(" (cool_down)")


def test_another_target_does_not_cool_down(desk: LeverDesk) -> None:
    desk.fire()
    desk.recover()
    desk.fire(fingerprint=OTHER, service="billing")
    desk.recover()

    assert [one.incident.service for one in desk.lever.pulled] == ["checkout", "billing"]


def test_no_more_runs_an_hour_than_allowed(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(per_hour=2, cool_down=timedelta()))
    for number in range(4):
        desk.fire(fingerprint=f"{number:024x}")
    desk.recover()

    assert len(desk.lever.pulled) == 2
    (said,) = desk.said(f"{3:024x}")
    assert "not run: it ran 2 times in the last hour" in said

    forward(redis_client, 61 * MINUTE)
    desk.fire(fingerprint=OTHER)
    desk.recover()
    assert len(desk.lever.pulled) == 3


def test_a_reopened_incident_is_tried_again_up_to_its_limit(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(per_incident=2, cool_down=timedelta()))
    for minute in range(0, 6, 2):
        desk.fire(minute)
        desk.recover()
        desk.hear(alert(minute + 1, Status.RESOLVED))

    assert [one.key[-6:] for one in desk.lever.pulled] == ["1_pull", "2_pull"]
    assert desk.said()[-1] == "recovery pull: not run: it ran 2 times for this incident (per_incident)"


def test_a_reopened_incident_still_cools_down(desk: LeverDesk) -> None:
    desk.fire()
    desk.recover()
    desk.hear(alert(1, Status.RESOLVED))
    desk.fire(2)
    desk.recover()

    assert len(desk.lever.pulled) == 1
    assert "left alone until" in desk.said()[-1]


def test_what_was_certainly_not_done_cools_nothing_down(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(per_hour=1))

    def fail() -> None:
        desk.lever.then = lambda: None
        raise Refused("not now")

    desk.lever.then = fail
    desk.fire()
    desk.recover()
    desk.fire(fingerprint=OTHER)
    desk.recover()

    assert desk.said(OTHER) == ["recovery pull: pulled the lever of checkout"]


# --- crashes, and two at once ------------------------------------------------------------------------------


def dies_after_begin(desk: LeverDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recover_, "_run", lambda _due: kill())


def dies_in_the_middle(desk: LeverDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.lever.then = kill


def dies_before_settling(desk: LeverDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.parts.recovery.runs, "end", lambda *_: kill())


@pytest.mark.parametrize(
    ("dies", "pulled"), [(dies_after_begin, 0), (dies_in_the_middle, 1), (dies_before_settling, 1)]
)
def test_a_worker_that_dies_leaves_a_run_that_is_not_repeated(
    desk: LeverDesk, dies: Callable[[LeverDesk, pytest.MonkeyPatch], None], pulled: int
) -> None:
    desk.fire()
    with pytest.MonkeyPatch.context() as patch:
        dies(desk, patch)
        with pytest.raises(Killed):
            recover(desk.parts, "pull")
    assert desk.recover() == 0, "while the lease lasts, it may be under way"

    desk.lever.then = lambda: None
    forward(desk.keys.client, 31)
    desk.recover()
    desk.fire(1)
    desk.recover()

    assert len(desk.lever.pulled) == pulled
    assert desk.said() == ["recovery pull: outcome unknown: its worker is gone; not tried again"]


def test_a_worker_that_dies_before_it_begins_leaves_the_run_to_others(desk: LeverDesk) -> None:
    desk.fire()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.parts.recovery.runs, "begin", lambda *_: kill())
        with pytest.raises(Killed):
            recover(desk.parts, "pull")

    assert desk.recover() == 1
    assert len(desk.lever.pulled) == 1


def test_a_worker_that_comes_back_late_corrects_what_was_said(desk: LeverDesk) -> None:
    def late() -> None:
        forward(desk.keys.client, 31)
        desk.recover()

    desk.lever.then = late
    desk.fire()
    desk.recover()

    assert len(desk.lever.pulled) == 1
    assert desk.said() == [
        "recovery pull: outcome unknown: its worker is gone; not tried again",
        "recovery pull: pulled the lever of checkout",
    ]


def test_a_worker_that_was_paused_for_longer_than_its_lease_sends_nothing(desk: LeverDesk) -> None:
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as server:

        def wakes_up_late() -> None:
            late = fence.clock() + 31
            patch.setattr(fence, "clock", lambda: late)
            with closing(HTTPConnection(*server.getsockname())) as connection:
                connection.request("POST", "/restart")

        desk.lever.then = wakes_up_late
        desk.fire()
        desk.recover()

    assert desk.said() == ["recovery pull: not done: the lease ended before the call: this worker was paused"]


def test_a_run_for_a_new_spell_of_firing_waits_for_the_end_of_the_one_before(redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, armed(cool_down=timedelta()))
    desk.lever.then = kill
    desk.fire()
    with pytest.raises(Killed):
        recover(desk.parts, "pull")
    desk.lever.then = lambda: None
    desk.hear(alert(1, Status.RESOLVED))
    desk.fire(2)
    assert desk.recover() == 0

    forward(redis_client, 31)
    assert desk.recover() == 2
    assert [one.key[-6:] for one in desk.lever.pulled] == ["1_pull", "2_pull"]
    assert desk.said() == [
        "recovery pull: outcome unknown: its worker is gone; not tried again",
        "recovery pull: pulled the lever of checkout",
    ]


def test_two_workers_at_once_do_it_once(desk: LeverDesk) -> None:
    for number in range(5):
        desk.fire(fingerprint=f"{number:024x}", service=f"s{number}")
    together = Barrier(2, action=desk.read)

    def work() -> None:
        for _ in range(6):
            together.wait()
            recover(desk.parts, "pull")

    workers = [Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    desk.read()

    assert sorted(one.incident.service for one in desk.lever.pulled) == ["s0", "s1", "s2"], "per_hour is 3"
    assert [len(desk.said(f"{number:024x}")) for number in range(5)] == [1] * 5


def test_what_others_changed_between_the_look_and_the_begin_is_seen(desk: LeverDesk) -> None:
    desk.fire()
    runs = desk.parts.recovery.runs
    look = runs.look

    def look_then_resolve(action: str) -> object:
        found = look(action)
        runs.look = look
        desk.hear(alert(1, Status.RESOLVED))
        return found

    runs.look = look_then_resolve
    desk.recover()

    assert not desk.lever.pulled


def test_how_runs_ended_is_counted_and_listed(desk: LeverDesk) -> None:
    desk.fire()
    desk.recover()

    assert desk.keys.client.hget(desk.keys.key("counts"), "recovery:pull:done") == b"1"
    last = desk.parts.recovery.runs.last()["pull"]
    assert (last.state, last.text) == (State.DONE, "recovery pull: pulled the lever of checkout")
    assert desk.parts.recovery.runs.in_hour("pull", ARMED, datetime.now(UTC)) == 1


def test_an_incident_that_is_forgotten_leaves_nothing_due(desk: LeverDesk) -> None:
    desk.hear(firing())
    desk.keys.client.delete(desk.keys.key(f"i:{'f' * 24}"))

    assert desk.recover() == 0
    assert not desk.keys.client.exists(desk.keys.key("due:recover:pull"))
