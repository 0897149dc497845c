"""Any order of firing, resolving, reading, running, dying and being late: the promises of recovery hold at each pull.

The model knows nothing of how runs are kept: it has the clock, what was accepted of each problem, and the pulls.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bridge.domain.alert import Status
from bridge.domain.recovery import Guard
from bridge.pipeline.recover import recover
from bridge.store.chain import Step
from bridge.store.runs import Answer, Ending, Found, Runs, Verdict
from tests.pipeline.lever import LeverDesk
from tests.pipeline.time_machine import forward
from tests.strategies import alert

GUARD = Guard(dry_run=False, after=timedelta(), cool_down=timedelta(seconds=40), per_hour=2, per_incident=3)
HOUR = 3600
SLACK = 5
"""Seconds that a slow machine may take from the beginning of a run to its pull; less than steps of time differ by."""
PLACES = ("before it begins", "after it began", "while it acts", "before it ends")
TWISTS = ("dies", "meets another", "is paused", "is over", "flaps")
NEWS = ("fires", "is over", "flaps")


class Killed(BaseException):
    """Stands for kill -9: nobody catches it."""


class Interrupted(Runs):
    """Runs between whose steps something happens."""

    def __init__(self, desk: LeverDesk, happens: Callable[[str], None], begun: Callable[[Found], None]) -> None:
        super().__init__(desk.keys)
        self._happens, self._begun = happens, begun

    def begin(self, found: Found, guard: Guard, target: str, lease: timedelta, steps: Sequence[Step]) -> Answer:
        """Begin, and have it judged."""
        self._happens("before it begins")
        answer = super().begin(found, guard, target, lease, steps)
        if answer.verdict is Verdict.BEGUN:
            self._begun(found)
            self._happens("after it began")
        return answer

    def end(self, found: Found, guard: Guard, ending: Ending) -> bool:
        """End."""
        self._happens("before it ends")
        return super().end(found, guard, ending)


class Machine(RuleBasedStateMachine):
    """Workers that run the real thing, each of which something may happen to at any step."""

    client: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.desk = LeverDesk(self.client, GUARD)
        recovery: Any = self.desk.parts.recovery
        object.__setattr__(recovery, "runs", Interrupted(self.desk, self._happens, self._is_begun))
        self.desk.lever.then = self._is_pulled
        self.plan: tuple[str, str] | None = None
        self.accepted = 0
        self.problems: list[str] = []
        self.fires: Counter[str] = Counter()
        """1 for a problem that does, by all that was read."""
        self.spells: Counter[str] = Counter()
        self.unread: list[tuple[int, str, Status]] = []
        self.asked: dict[tuple[str, int], int] = {}
        """By problem and spell: how much had been accepted when it was first to run."""
        self.started = time.monotonic()
        self.clock = 0.0
        self.begun: Counter[str] = Counter()
        self.broken: list[str] = []
        self.pulls: list[tuple[float, str, str]] = []
        """When, for which problem, under which key."""
        self.another_problem()

    # --- what happens ----------------------------------------------------------------------------------------

    @rule()
    def another_problem(self) -> None:
        """Let one fire that was never known, and speak of that one from now on."""
        self.problems.append(f"{len(self.problems):024x}")
        self.says("fires", read=True)

    @rule(what=st.sampled_from(NEWS), read=st.booleans())
    def says(self, what: str, *, read: bool) -> None:
        if what in ("flaps", "is over"):
            self._accept(Status.RESOLVED)
        if what != "is over":
            self._accept(Status.FIRING)
        if read:
            self.reads()

    @rule()
    def reads(self) -> None:
        self.desk.read()
        for _, problem, status in self.unread:
            self.spells[problem] += status is Status.FIRING and not self.fires[problem]
            self.fires[problem] = status is Status.FIRING
        self.unread = []

    @rule(seconds=st.sampled_from([1, 31, 41, HOUR + 1]))
    def passes(self, seconds: int) -> None:
        self.clock += seconds
        forward(self.client, seconds)

    @rule()
    def works(self) -> None:
        for problem in self.problems:
            if self.fires[problem]:
                self.asked.setdefault((problem, self.spells[problem]), self.accepted)
        try:
            recover(self.desk.parts, "pull")
        except Killed:
            self.plan = None
        assert not self.broken

    @rule(fresh=st.booleans(), gap=st.sampled_from([1, 31, 41, HOUR + 1]), times=st.integers(2, 4))
    def is_due_again_and_again(self, *, fresh: bool, gap: int, times: int) -> None:
        self.passes(HOUR + 1)
        self.another_problem()
        for _ in range(times):
            self.works()
            self.passes(gap)
            if fresh:
                self.another_problem()
            else:
                self.says("flaps", read=True)

    @rule(before=st.sampled_from(["", *NEWS]), read=st.booleans(), after=st.booleans())
    def is_due_when(self, before: str, *, read: bool, after: bool) -> None:
        self.passes(HOUR + 1)
        self.another_problem()
        if after:  # it was asked for before, when something else was unread
            self._accept(Status.FIRING)
            self.works()
        if before:
            self.says(before, read=read)
        self.works()
        self.reads()
        self.works()

    @rule(where=st.sampled_from(PLACES), twist=st.sampled_from(TWISTS), then=st.sampled_from(["", *NEWS]))
    def is_due_and_its_worker(self, where: str, twist: str, then: str) -> None:
        self.passes(HOUR + 1)
        self.another_problem()
        self.plan = (where, twist)
        self.works()
        self.plan = None
        if then:
            self.says(then, read=True)
            self.works()
        for _ in range(2):
            self.passes(31)
            self.works()
            self.reads()

    def _accept(self, status: Status) -> None:
        self.accepted += 1
        problem = self.problems[-1]
        more = {"event": str(self.accepted), "fingerprint": problem, "service": "checkout"}
        self.desk.parts.inbox.put([alert(self.accepted, status, **more)])
        self.unread.append((self.accepted, problem, status))
        time.sleep(0.002)  # entries of the inbox are ordered by milliseconds

    def _happens(self, where: str) -> None:
        if self.plan is None or self.plan[0] != where:
            return
        twist, self.plan = self.plan[1], None
        if twist == "dies":
            raise Killed
        if twist == "is paused":
            self.passes(31)
        if twist in ("meets another", "is paused"):
            self.works()
        elif twist in NEWS:
            self.says(twist, read=True)

    # --- what has to hold ------------------------------------------------------------------------------------

    def _is_begun(self, found: Found) -> None:
        problem = found.id.partition("-")[0]
        self.begun[problem] += 1
        before = self.asked.get((problem, found.spell), self.accepted)
        waiting = [number for number, of, status in self.unread if (of, status) == (problem, Status.RESOLVED)]
        self._holds("it is firing", bool(self.fires[problem]))
        self._holds("it fires still, not anew", self.spells[problem] == found.spell)
        self._holds("no resolution was accepted before it was to run", all(number > before for number in waiting))

    def _is_pulled(self) -> None:
        key = self.desk.lever.pulled[-1].key
        problem = self.desk.lever.pulled[-1].incident.fingerprint
        now = self.clock + time.monotonic() - self.started
        cool = GUARD.cool_down.total_seconds() - SLACK
        self._holds("a run is pulled once", key not in {one for *_, one in self.pulls})
        self._holds("the target cools down", all(now - at > cool for at, *_ in self.pulls[-1:]))
        self._holds("so often in an hour", sum(now - at < HOUR - SLACK for at, *_ in self.pulls) < GUARD.per_hour)
        self._holds("so often for an incident", sum(of == problem for _, of, _ in self.pulls) < GUARD.per_incident)
        self.pulls.append((now, problem, key))
        self._happens("while it acts")

    def _holds(self, what: str, so: bool) -> None:
        """Keep what does not: an error raised in here is one of the action's, and a failed run."""
        self.broken += [] if so else [what]

    def teardown(self) -> None:
        """Let all leases lapse: then every run is ended and told, and nothing is left that could begin by itself."""
        if not hasattr(self, "desk") or self.broken:
            return
        for _ in range(4):
            self.passes(31)
            self.works()
            self.reads()
        assert not self.desk.keys.client.zcard(self.desk.keys.key("due:recover:pull"))
        untold = {one: ran for one, ran in self.begun.items() if len(self.desk.said(one)) < ran}
        assert not untold, "it began, and nobody was told of its end"


def test_its_promises_hold_whatever_happens(redis_client: redis.Redis) -> None:
    Machine.client = redis_client
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=[Phase.generate],
        ),
    )
