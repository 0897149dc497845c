"""Any order of firing, resolving, taking, acting, settling and crashing: never two effects for one run."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bridge.domain.alert import Status
from bridge.domain.recovery import Guard, key_of
from bridge.store.runs import Ending, Found, State, Verdict
from tests.pipeline.lever import LeverDesk
from tests.pipeline.time_machine import forward
from tests.strategies import alert

LEASE = timedelta(seconds=30)
GUARD = Guard(dry_run=False, after=timedelta(), cool_down=timedelta(seconds=40), per_hour=3, per_incident=2)
PROBLEMS = ("a" * 24, "b" * 24)
WORKERS = (0, 1)
ENDS: list[State | str] = [State.DONE, "killed"]


class Machine(RuleBasedStateMachine):
    """Two workers that do the steps of `recover` one at a time, in any order; each may stop for good between two."""

    client: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.desk = LeverDesk(self.client, GUARD)
        self.runs = self.desk.parts.recovery.runs
        self.minute = 0
        self.held: dict[int, tuple[Found, str, str]] = {}
        """By worker: the run, its token, its key."""
        self.done: Counter[str] = Counter()
        self.clock = 0.0
        self.effects: list[float] = []
        """When each run that was not given back began."""

        for problem in PROBLEMS:
            self._says(problem, Status.FIRING)

    @rule(problem=st.sampled_from(PROBLEMS), what=st.sampled_from(["flaps", "flaps", "repeats", "is over"]))
    def is_heard_of(self, problem: str, what: str) -> None:
        if what in ("flaps", "is over"):
            self._says(problem, Status.RESOLVED)
        if what != "is over":
            self._says(problem, Status.FIRING)

    def _says(self, problem: str, status: Status) -> None:
        self.minute += 1
        more = {"event": f"{problem}{self.minute}", "fingerprint": problem, "service": "checkout"}
        self.desk.hear(alert(self.minute, status, **more))

    @rule(seconds=st.sampled_from([41, 31, 41, 1]))
    def time_passes(self, seconds: int) -> None:
        self.clock += seconds
        forward(self.client, seconds)

    @rule(worker=st.sampled_from(WORKERS), stale=st.booleans())
    def looks_and_begins(self, worker: int, stale: bool) -> None:
        found = self.runs.look("pull")
        if worker in self.held or found is None:
            return
        incident = found.record.incident
        if found.lapsed:
            assert found.begun is not None
            self.runs.end(found, GUARD, Ending(state=State.LOST, token=found.begun.token))
        elif not incident.open or incident.reopened + 1 != found.spell:
            self.runs.end(found, GUARD, Ending(state=State.SKIPPED))
        else:
            self._begins(worker, found, stale)

    def _begins(self, worker: int, found: Found, stale: bool) -> None:
        answer = self.runs.begin(found, GUARD, "t", LEASE, [])
        if stale:  # another one looked at the same time, and comes second
            assert self.runs.begin(found, GUARD, "t", LEASE, []).verdict is not Verdict.BEGUN
        if answer.verdict is Verdict.BEGUN:
            self.held[worker] = (found, answer.token, key_of("pull", found.id, found.spell))
            self.effects.append(self.clock)
        elif answer.verdict in (Verdict.COOL, Verdict.HOUR, Verdict.INCIDENT):
            self.runs.end(found, GUARD, Ending(state=State.HELD))

    @rule(worker=st.sampled_from(WORKERS), how=st.sampled_from([State.DONE, "killed", "killed before", State.UNSURE]))
    def acts(self, worker: int, how: State | str) -> None:
        if worker not in self.held:
            return
        found, token, key = self.held.pop(worker)
        self.done[key] += how != "killed before"
        if isinstance(how, State):
            self.runs.end(found, GUARD, Ending(state=how, token=token, target="t"))

    @rule(
        problem=st.sampled_from(PROBLEMS),
        seconds=st.sampled_from([41, 31]),
        how=st.sampled_from([State.DONE, "killed"]),
    )
    def goes_all_the_way(self, problem: str, seconds: int, how: State | str) -> None:
        self.time_passes(seconds)
        self.is_heard_of(problem, "flaps")
        self.looks_and_begins(0, stale=False)
        self.acts(0, how)

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert max(getattr(self, "done", Counter()).values(), default=0) <= 1

    @invariant()
    def no_more_than_allowed(self) -> None:
        times = getattr(self, "effects", [])
        per_incident = Counter(key.split("_")[1] for key, done in getattr(self, "done", Counter()).items() if done)
        assert max(per_incident.values(), default=0) <= GUARD.per_incident
        assert all(later - earlier >= GUARD.cool_down.total_seconds() for earlier, later in pairwise(times))
        assert all(later - first > 3599 for first, later in zip(times, times[GUARD.per_hour :], strict=False))

    def teardown(self) -> None:
        """Let all leases lapse: then every run is ended, and nothing is left that could begin by itself."""
        if not hasattr(self, "runs"):
            return
        for _ in range(3):
            forward(self.client, 31)
            self.desk.recover()
        assert not [run.key for run in self.desk.lever.pulled if self.done[run.key]], "done by hand, and once more"
        fields: list[Any] = [self.client.hget(self.desk.keys.key(f"i:{p}"), "act:pull") for p in PROBLEMS]
        assert not [one for one in fields if one and b":open:" in one]


def test_nothing_is_done_twice_whatever_happens(redis_client: redis.Redis) -> None:
    Machine.client = redis_client
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=[Phase.generate],
        ),
    )
