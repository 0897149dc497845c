"""Runs of recovery actions in the store: every line that keeps one from beginning, or ending, a second time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import redis

from bridge.domain.alert import Status
from bridge.domain.recovery import Guard
from bridge.store.notes import Note, encode_note
from bridge.store.runs import Ending, Found, State, Verdict
from tests.pipeline.lever import ARMED, LeverDesk
from tests.pipeline.time_machine import forward
from tests.strategies import alert

MINUTE = 60.0
LEASE = timedelta(seconds=30)
ID = "f" * 24
OTHER = "e" * 24
FREE = msgspec.structs.replace(ARMED, cool_down=timedelta())


class RunDesk(LeverDesk):
    """A desk at which runs are begun and ended by hand."""

    def __init__(self, client: redis.Redis, guard: Guard = FREE) -> None:
        super().__init__(client, guard)
        assert self.parts.recovery is not None
        self.runs = self.parts.recovery.runs

    def look(self) -> Found:
        """Return what is due."""
        found = self.runs.look("pull")
        assert found is not None
        return found

    def begin(self, found: Found, target: str = "t", **guard: object) -> tuple[Verdict, str]:
        """Begin a run, unless something speaks against it."""
        held = msgspec.structs.replace(FREE, **guard)
        answer = self.runs.begin(found, held, target, LEASE, [])
        return answer.verdict, answer.token

    def did(self, **guard: object) -> Verdict:
        """Begin what is due and end it as done."""
        found = self.look()
        verdict, token = self.begin(found, **guard)
        assert self.end(found, State.DONE, token)
        return verdict

    def end(self, found: Found, state: State, token: str = "", target: str = "t") -> bool:
        """End a run, with a note."""
        ending = Ending(state=state, token=token, target=target, note=alert(0, Status.NOTED))
        return self.runs.end(found, FREE, ending)

    def again(self, minute: float) -> None:
        """Let the incident be resolved, and fire anew."""
        self.hear(alert(minute, Status.RESOLVED))
        self.fire(minute + 1)

    def leave(self, **note: object) -> None:
        """Leave a receiver's note."""
        left = Note(name="web/1", **note)  # type: ignore[arg-type]  # fields by name
        self.keys.client.hset(self.keys.key("receivers"), left.name, encode_note(left))


@pytest.fixture
def desk(redis_client: redis.Redis) -> RunDesk:
    """A desk with an incident whose run is due."""
    made = RunDesk(redis_client, FREE)
    made.fire()
    return made


# --- one run begins once -----------------------------------------------------------------------------------


def test_a_worker_that_was_paused_before_it_began_finds_it_begun(desk: RunDesk) -> None:
    stale = desk.look()
    assert desk.begin(stale)[0] is Verdict.BEGUN
    forward(desk.keys.client, 31)

    assert desk.begin(stale)[0] is Verdict.CHANGED


def test_what_was_put_off_is_not_begun_before(desk: RunDesk) -> None:
    first = desk.look()
    _, token = desk.begin(first)
    desk.again(1)
    second = desk.look()
    assert desk.begin(second)[0] is Verdict.BUSY
    desk.end(first, State.DONE, token)

    assert desk.begin(second)[0] is Verdict.CHANGED


def test_an_incident_that_changed_since_it_was_looked_at_is_looked_at_again(desk: RunDesk) -> None:
    stale = desk.look()
    desk.hear(alert(1, Status.RESOLVED))

    assert desk.begin(stale)[0] is Verdict.CHANGED


# --- limits ------------------------------------------------------------------------------------------------


def test_an_hour_is_any_sixty_minutes(desk: RunDesk) -> None:
    assert desk.did(per_hour=2) is Verdict.BEGUN
    forward(desk.keys.client, 50 * MINUTE)
    desk.fire(fingerprint=OTHER)
    assert desk.begin(desk.look(), per_hour=1)[0] is Verdict.HOUR
    assert desk.did(per_hour=2) is Verdict.BEGUN

    forward(desk.keys.client, 11 * MINUTE)
    desk.fire(fingerprint="d" * 24)
    assert desk.begin(desk.look(), per_hour=1)[0] is Verdict.HOUR
    assert desk.begin(desk.look(), per_hour=2)[0] is Verdict.BEGUN, "the first is more than an hour ago"


@pytest.mark.parametrize(
    ("guard", "verdict"),
    [
        ({"cool_down": timedelta(minutes=1)}, Verdict.COOL),
        ({"per_hour": 1}, Verdict.HOUR),
        ({"per_incident": 1}, Verdict.INCIDENT),
    ],
)
def test_each_limit_holds_alone(desk: RunDesk, guard: dict[str, object], verdict: Verdict) -> None:
    found = desk.look()
    _, token = desk.begin(found, **guard)
    desk.end(found, State.DONE, token)
    desk.again(1)

    assert desk.begin(desk.look(), **guard)[0] is verdict
    assert desk.begin(desk.look())[0] is Verdict.BEGUN


def test_what_was_certainly_not_done_counts_for_no_limit(desk: RunDesk) -> None:
    guard: dict[str, object] = {"cool_down": timedelta(minutes=1), "per_hour": 1, "per_incident": 1}
    found = desk.look()
    _, token = desk.begin(found, **guard)
    desk.end(found, State.FAILED, token)
    desk.again(1)

    assert desk.begin(desk.look(), **guard)[0] is Verdict.BEGUN


def test_what_turns_out_not_done_does_not_end_the_rest_that_another_run_gives_its_target(desk: RunDesk) -> None:
    found = desk.look()
    _, token = desk.begin(found, cool_down=timedelta(seconds=10))
    forward(desk.keys.client, 11)
    desk.fire(fingerprint=OTHER)
    assert desk.begin(desk.look(), cool_down=timedelta(minutes=1))[0] is Verdict.BEGUN
    assert desk.end(found, State.FAILED, token)

    desk.fire(fingerprint="d" * 24)
    assert desk.begin(desk.look(), cool_down=timedelta(minutes=1))[0] is Verdict.COOL


# --- one run ends once -------------------------------------------------------------------------------------


def test_only_who_began_a_run_ends_it_and_only_once(desk: RunDesk) -> None:
    found = desk.look()
    _, token = desk.begin(found)
    other_spell = msgspec.structs.replace(found, spell=found.spell + 1)

    assert not desk.end(found, State.DONE, str(int(token) + 1))
    assert not desk.end(other_spell, State.DONE, token)
    assert not desk.end(found, State.LOST, token), "its lease lasts"
    assert desk.end(found, State.DONE, token)
    assert not desk.end(found, State.DONE, token)
    assert len(desk.parts.inbox) == 1


def test_a_run_whose_worker_is_gone_is_told_of_once_and_may_be_corrected_once(desk: RunDesk) -> None:
    found = desk.look()
    _, token = desk.begin(found)
    forward(desk.keys.client, 31)

    ended = [desk.end(found, state, token) for state in (State.LOST, State.LOST, State.DONE, State.DONE, State.LOST)]
    assert ended == [True, False, True, False, False]


def test_what_is_not_to_begin_can_not_end_a_run_under_way(desk: RunDesk) -> None:
    stale = desk.look()
    _, token = desk.begin(stale)

    assert not desk.end(stale, State.SKIPPED)
    forward(desk.keys.client, 31)
    assert desk.look().lapsed, "it is still seen that its worker is gone"
    assert desk.end(stale, State.DONE, token)
    assert not desk.end(stale, State.SKIPPED)


def test_a_run_that_was_overtaken_is_due_no_more(desk: RunDesk) -> None:
    first = desk.look()
    _, token = desk.begin(first)
    desk.end(first, State.DONE, token)
    desk.again(1)
    desk.begin(desk.look())
    due = desk.keys.key("due:recover:pull")
    desk.keys.client.zadd(due, {f"{ID}-1:1": 0})

    assert not desk.end(first, State.SKIPPED)
    assert desk.keys.client.zrange(due, 0, -1) == [f"{ID}-1:2".encode()]


def test_a_forgotten_incident_is_not_brought_back(desk: RunDesk) -> None:
    found = desk.look()
    desk.keys.client.delete(desk.keys.key(f"i:{ID}"))

    assert desk.end(found, State.SKIPPED)
    assert not desk.keys.client.exists(desk.keys.key(f"i:{ID}"))


# --- spells that follow each other -------------------------------------------------------------------------


def test_a_run_under_way_is_told_of_though_its_incident_fired_and_was_resolved_meanwhile(desk: RunDesk) -> None:
    def meanwhile() -> None:
        desk.again(1)
        desk.hear(alert(3, Status.RESOLVED))
        desk.recover()

    desk.lever.then = meanwhile
    desk.recover()
    forward(desk.keys.client, 31)
    desk.recover()

    assert desk.said() == ["recovery pull: pulled the lever of checkout"]
    assert not desk.keys.client.exists(desk.keys.key("due:recover:pull"))


def test_only_the_present_spell_of_firing_is_acted_on(redis_client: redis.Redis) -> None:
    desk = RunDesk(redis_client, Guard(dry_run=False, after=timedelta(minutes=5), cool_down=timedelta()))
    now = datetime.now(UTC)
    desk.fire(at=now)
    desk.hear(alert(0, Status.RESOLVED, at=now + timedelta(seconds=1)))
    desk.fire(at=now + timedelta(seconds=2), event="anew")
    forward(redis_client, 5.1 * MINUTE)
    desk.recover()

    assert [one.key[-6:] for one in desk.lever.pulled] == ["2_pull"]


def test_what_is_due_but_was_run_is_laid_aside(desk: RunDesk) -> None:
    desk.recover()
    due = desk.keys.key("due:recover:pull")
    desk.keys.client.zadd(due, {f"{ID}-1:1": datetime.now(UTC).timestamp() * 1000 - 1000})
    desk.recover()

    assert len(desk.lever.pulled) == 1
    assert not desk.keys.client.exists(due)


# --- what may be on its way past the inbox -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("note", "pulled"),
    [
        ({"at": 0, "records": 1, "held_since": 1}, 0),
        ({"at": 0, "records": 1, "held_since": 20 * MINUTE}, 0),
        ({"at": 8 * MINUTE}, 0),
        ({"at": 0}, 1),
        ({"at": 20 * MINUTE}, 1),
        ({"at": 20 * MINUTE, "records": 1, "held_since": 30 * MINUTE}, 1),
    ],
    ids=["journal", "old journal", "nobody heard", "all well", "gone for long", "left behind"],
)
def test_while_a_resolution_may_lie_in_a_journal_nothing_is_begun(
    desk: RunDesk, note: dict[str, float], pulled: int
) -> None:
    now = datetime.now(UTC)
    ago = {k: now - timedelta(seconds=v) if k in ("at", "held_since") else v for k, v in note.items()}
    desk.leave(**ago)
    desk.recover()

    assert len(desk.lever.pulled) == pulled
    desk.leave(at=now)
    desk.recover()
    assert len(desk.lever.pulled) == 1


def test_one_receiver_that_is_heard_is_enough(desk: RunDesk) -> None:
    now = datetime.now(UTC)
    desk.leave(at=now)
    gone = Note(name="web/2", at=now - timedelta(minutes=5))
    desk.keys.client.hset(desk.keys.key("receivers"), gone.name, encode_note(gone))

    assert desk.recover() == 1
