"""inbox → ingest → deliver → settle, against a model: workers die or are held up between any two steps.

The store is a real one; time passes for it by `time_machine`. The vendors are in memory, with bad days.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.incident import Incident
from bridge.pipeline import fence
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.pipeline.sweep import sweep
from bridge.store.deadletters import DeadLetters
from bridge.store.keyspace import Keyspace
from tests.pipeline.quiet import parts_with
from tests.pipeline.time_machine import forward
from tests.pipeline.vendors import BAD_DAYS, FakeSink, Vendor
from tests.strategies import alert

PROBLEMS = ("a" * 24, "b" * 24)
OFTEN = st.sampled_from([PROBLEMS[0], PROBLEMS[0], PROBLEMS[0], PROBLEMS[1]])
"""One problem more than the other, so that things meet."""
LONG = int(os.environ.get("PROTOCOL_EXAMPLES", "40"))
"""Examples; the long run sets more."""


class Died(BaseException):
    """A worker was killed: nothing after this point happened, and nobody was told."""


class Tapped:
    """A part of the store whose every call has a point before it and one after."""

    def __init__(self, part: object, point: Callable[[], None]) -> None:
        self._part = part
        self._point = point

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        def tapped(*args: Any, **more: Any) -> Any:
            self._point()
            done = method(*args, **more)
            self._point()
            return done

        return tapped


Then = tuple[str, str]
"""What others do while a worker is held up: the verb, and what it is about."""
WAITS = st.tuples(st.just("wait"), st.sampled_from(["1", "16", "31", "50"]))
DELIVERIES = st.tuples(st.just("deliver"), st.sampled_from(["slack", "jira"]))
STATEMENTS = st.tuples(st.sampled_from(["fire", "resolve"]), OFTEN)
INGEST = st.just(("ingest", ""))
LIKELY = (
    st.tuples(WAITS, STATEMENTS, INGEST),
    st.tuples(STATEMENTS, INGEST),
    st.tuples(STATEMENTS, INGEST, DELIVERIES),
    st.tuples(st.just(("wait", "50")), DELIVERIES, DELIVERIES),
    st.tuples(WAITS, DELIVERIES, WAITS, DELIVERIES),
    st.tuples(WAITS, INGEST),
)
"""What is likely to hurt; chance alone seldom puts it in this order."""
THENS: st.SearchStrategy[tuple[Then, ...]] = st.one_of(
    *LIKELY, st.lists(st.one_of(WAITS, DELIVERIES, STATEMENTS, INGEST), max_size=5).map(tuple)
)
Fate = tuple[int, tuple[Then, ...] | None] | None
FATES: st.SearchStrategy[Fate] = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 9), st.none()),
    st.tuples(st.integers(0, 9), THENS),
    st.tuples(st.integers(0, 9), THENS),
)
"""Of a worker in one task: nothing; dead at its n-th point; held up there while others do something."""
DAYS = st.lists(st.sampled_from(BAD_DAYS), max_size=3)


class Protocol(RuleBasedStateMachine):
    """Two problems, two destinations, any number of workers."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.passed = 0.0
        self.minute = 0.0
        self.said: list[Alert] = []
        self.fate: Fate = None
        self.points = 0
        self.vendors = {"slack": Vendor(self.clock), "jira": Vendor(self.clock)}
        sinks = {name: FakeSink(v, self.point, tells_repeats=name == "slack") for name, v in self.vendors.items()}
        keys = Keyspace(self.client)
        self.letters = DeadLetters(keys)
        plain = parts_with(keys, sinks, at_once=1)
        self.parts: Parts = parts_with(
            keys,
            sinks,
            at_once=1,
            inbox=Tapped(plain.inbox, self.point),
            incidents=Tapped(plain.incidents, self.point),
            deliveries=Tapped(plain.deliveries, self.point),
        )
        self.records = plain.incidents

    def clock(self) -> float:
        """Seconds on the fence's and the vendors' clock."""
        return time.monotonic() + self.passed

    # --- workers -----------------------------------------------------------------------------------------------

    def point(self) -> None:
        """Die here, or be held up here, if that is this worker's fate."""
        if self.fate is None:
            return
        at, thens = self.fate
        self.points += 1
        if self.points <= at:
            return
        self.fate = None
        if thens is None:
            raise Died
        for verb, about in thens:
            getattr(self, f"do_{verb}")(about)

    def work(self, fate: Fate, task: Callable[[], object]) -> None:
        self.fate, self.points = fate, 0
        with suppress(Died):
            task()
        self.fate = None

    def do_wait(self, seconds: str) -> None:
        self.passed += float(seconds)
        forward(self.client, float(seconds))

    def do_deliver(self, destination: str) -> None:
        deliver(self.parts, destination)

    def do_ingest(self, _: str = "") -> None:
        ingest(self.parts)

    def do_fire(self, fingerprint: str) -> None:
        self.say(fingerprint, Status.FIRING)

    def do_resolve(self, fingerprint: str) -> None:
        self.say(fingerprint, Status.RESOLVED)

    def say(self, fingerprint: str, status: Status, severity: Severity = Severity.ERROR, gap: float = 1.0) -> None:
        self.minute += gap
        one = alert(self.minute, status, f"{len(self.said)}", severity=severity, fingerprint=fingerprint)
        self.said.append(one)
        self.parts.inbox.put([one])

    # --- rules -------------------------------------------------------------------------------------------------

    @rule(
        fingerprint=OFTEN,
        status=st.sampled_from([Status.FIRING, Status.FIRING, Status.RESOLVED, Status.NOTED]),
        severity=st.sampled_from(list(Severity)),
        gap=st.sampled_from([1.0, 1.0, 5.0, 2000.0]),
    )
    def something_is_said(self, fingerprint: str, status: Status, severity: Severity, gap: float) -> None:
        self.say(fingerprint, status, severity, gap)

    @rule(data=st.data(), many=st.integers(1, 3))
    def the_same_is_said_again(self, data: st.DataObject, many: int) -> None:
        if self.said:
            again = [data.draw(st.sampled_from(self.said)) for _ in range(many)]
            self.parts.inbox.put(again)

    @rule(fate=FATES)
    def a_worker_looks_into_the_inbox(self, fate: Fate) -> None:
        self.work(fate, lambda: ingest(self.parts))

    @rule(destination=st.sampled_from(["slack", "jira"]), days=DAYS, fate=FATES, new=STATEMENTS)
    def a_worker_delivers(self, destination: str, days: list[str], fate: Fate, new: Then) -> None:
        if not self.client.zcount(f"{{ab}}:due:{destination}", "-inf", time.time() * 1000):
            getattr(self, f"do_{new[0]}")(new[1])  # or hardly anything would happen
            self.do_ingest()
        self.vendors[destination].days = list(days)
        self.work(fate, lambda: deliver(self.parts, destination))
        self.vendors[destination].days = []

    @rule()
    def all_is_well_for_a_while(self) -> None:
        self.do_ingest()
        for name in self.vendors:
            self.do_deliver(name)

    @rule(seconds=st.sampled_from([1, 5, 16, 31, 120]))
    def time_passes(self, seconds: int) -> None:
        self.do_wait(str(seconds))

    @rule(lag=st.sampled_from([0.0, 14.0]))
    def the_search_falls_behind(self, lag: float) -> None:
        self.vendors["jira"].lag = lag

    @rule()
    def a_person_replays_what_was_rejected(self) -> None:
        for letter in self.letters.all():
            self.letters.replay(letter, datetime.now(UTC))

    # --- what holds --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_stands_twice(self) -> None:
        for name, vendor in self.vendors.items():
            made = [thing.incident for thing in vendor.things]
            assert len(made) == len(set(made)), f"{name}: {made}"
            for thing in vendor.things:
                assert len(thing.entries) == len(set(thing.entries)), f"{name}: {thing}"

    def teardown(self) -> None:
        """Let everything come to rest, then compare."""
        self.fate = None
        for _ in range(60):
            self.do_wait("301")
            self.do_ingest()
            for name in self.vendors:
                while deliver(self.parts, name):
                    pass
            self.a_person_replays_what_was_rejected()
            if self.at_rest():
                break
        assert self.at_rest()
        assert sweep(self.parts) == []
        self.nothing_stands_twice()
        self.nothing_is_lost()
        self.outside_is_as_inside()

    def at_rest(self) -> bool:
        due = sum(self.client.zcard(f"{{ab}}:due:{name}") for name in self.vendors)
        held = [f for key in self.client.keys("{ab}:i:*") for f in self.client.hkeys(key) if f[:1] in (b"a", b"w")]
        return not (due or held or self.client.xlen("{ab}:inbox"))

    def nothing_is_lost(self) -> None:
        incidents = [record.incident for record in self.records.each()]
        for fingerprint in PROBLEMS:
            of = sorted((i for i in incidents if i.fingerprint == fingerprint), key=lambda i: i.number)
            said = [one for one in self.said if one.fingerprint == fingerprint and one.status is not Status.NOTED]
            assert bool(of) == bool(said)
            if said:
                assert sum(i.count for i in of) == sum(one.status is Status.FIRING for one in said)
                assert of[-1].status is said[-1].status

    def outside_is_as_inside(self) -> None:
        for record in self.records.each():
            for name, vendor in self.vendors.items():
                things = [thing for thing in vendor.things if thing.incident == record.incident.id]
                assert bool(things) == (name in record.receipts)
                assert things or not record.incident.open
                for thing in things:
                    assert (thing.open, thing.severity) == (record.incident.open, record.incident.severity), name
                    assert thing.count == record.incident.count or name == "jira"
                    assert not untold(record.incident, thing.began, thing.entries), name


def untold(incident: Incident, began: int, entries: list[int]) -> set[int]:
    return {entry.version for entry in incident.untold(began)} - set(entries)


@pytest.fixture
def hasty(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """A store that waits for no disk: nobody pulls the plug here."""
    redis_client.config_set("appendfsync", "no")
    yield redis_client
    redis_client.config_set("appendfsync", "always")


def test_exactly_once_wherever_a_worker_dies_or_is_held_up(hasty: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    machines: list[Protocol] = []

    class Here(Protocol):
        client = hasty

        def __init__(self) -> None:
            super().__init__()
            machines.append(self)

    # the fence reads the machine's own clock: here that of the machine in which time passes at will
    monkeypatch.setattr(fence, "clock", lambda: machines[-1].clock())
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # has no types
        Here,
        settings=settings(
            max_examples=LONG,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if LONG > 1000 else (Phase.generate,),  # to shrink takes minutes
        ),
    )
