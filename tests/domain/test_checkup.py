"""What is said after which runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.alert import Status
from bridge.domain.checkup import Policy, Record, Statement, judge
from bridge.domain.observation import Fault, Observation

START = datetime(2026, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
policies = st.integers(1, 6).flatmap(
    lambda of: st.builds(Policy, fails=st.integers(1, of), of=st.just(of), goods=st.integers(1, 6))
)


def run(number: int, mark: str) -> Observation:
    """A run: "." is a good one, "x" a failing one, "s" one that is too slow."""
    fault = {".": None, "x": Fault.STATUS, "s": Fault.SLOW, "b": Fault.BODY, "?": Fault.BROKEN}[mark]
    facts = {"Body": f"body {number}"} if mark == "b" else {}
    return Observation(at=START + number * MINUTE, took=timedelta(), fault=fault, got=f"run {number}", facts=facts)


def told(marks: str, policy: Policy) -> list[tuple[Record, Statement | None]]:
    record, told = Record(), []
    for number, mark in enumerate(marks):
        record, statement = judge(record, run(number, mark), policy)
        told.append((record, statement))
    return told


def story(marks: str, policy: Policy) -> str:
    """What is said after each run: "." nothing, "D" down, "d" still down, "U" up."""

    def mark(statement: Statement | None) -> str:
        if statement is None:
            return "."
        return "U" if statement.status is Status.RESOLVED else "d" if statement.repeats else "D"

    return "".join(mark(statement) for _, statement in told(marks, policy))


@pytest.mark.parametrize(
    ("policy", "marks", "expected"),
    [
        (Policy(fails=1, of=1), "x.xx..", "DUDdU."),
        (Policy(fails=3, of=3), "xx.xx.x", "......."),
        (Policy(fails=3, of=3), "xxxxx.x", "..DddU."),
        (Policy(fails=3, of=3, goods=2), "xxx.x..x", "..D.d.U."),
        (Policy(fails=3, of=5, goods=3), "x.x.x.x...x", "....D.d..U."),
        (Policy(fails=3, of=5, goods=1), "x.x.x.x.x.x.x..", "....DU....DU..."),
    ],
)
def test_what_is_said_after_which_runs(policy: Policy, marks: str, expected: str) -> None:
    assert story(marks, policy) == expected


def test_an_outage_begins_with_the_first_run_that_counted_and_counts_its_failing_runs() -> None:
    *_, (down, opening) = told("x.xxx", Policy(fails=3, of=3))
    assert opening is not None
    assert (opening.at, down.since, down.failed, down.row) == (START + 2 * MINUTE, START + 2 * MINUTE, 3, 3)

    *_, (up, ending) = told("x.xxxxx.", Policy(fails=3, of=3))
    assert ending is not None
    assert (ending.record.failed, ending.at) == (5, START + 7 * MINUTE)
    assert (up.down, up.failed, up.since, up.runs) == (False, 0, START + 7 * MINUTE, ())


def test_the_hardest_fault_of_an_outage_names_it() -> None:
    named = [record.fault for record, _ in told("?sx?s.", Policy(fails=1, of=1))]

    assert named == [Fault.BROKEN, Fault.SLOW, Fault.STATUS, Fault.STATUS, Fault.STATUS, None]


def test_facts_that_were_said_are_remembered_until_it_is_up() -> None:
    assert [record.facts for record, _ in told("bx.", Policy(fails=1, of=1))] == [("Body",), ("Body",), ()]


@given(policies, st.text("x.", max_size=60))
def test_every_story_is_down_then_up_in_turn(policy: Policy, marks: str) -> None:
    said = story(marks, policy).replace(".", "")

    assert said.replace("d", "") == ("DU" * len(said))[: len(said.replace("d", ""))]
    assert "Ud" not in said


@given(policies, st.text("x.", max_size=60))
def test_statements_never_go_back_in_time_and_end_after_they_began(policy: Policy, marks: str) -> None:
    statements = [statement for _, statement in told(marks, policy) if statement is not None]
    times = [(statement.at, statement.status is Status.FIRING) for statement in statements]

    assert times == sorted(times, key=lambda time: time[0])
    assert len({statement.seen.at for statement in statements}) == len(statements)


@given(policies, st.text("x.", max_size=60))
def test_it_goes_down_exactly_when_enough_of_the_last_runs_since_it_was_up_failed(policy: Policy, marks: str) -> None:
    begun = 0
    for number, (record, statement) in enumerate(told(marks, policy)):
        failed = marks[max(begun, number + 1 - policy.of) : number + 1].count("x")
        if statement is not None and statement.status is Status.RESOLVED:
            assert marks[number + 1 - policy.goods : number + 1] == "." * policy.goods
            begun = number + 1
        elif marks[number] == "x":
            assert record.down == (failed >= policy.fails or (statement is not None and statement.repeats))
        assert len(record.runs) <= policy.memory


@given(policies, st.text("x.", max_size=40))
def test_a_failing_run_of_a_target_that_is_down_is_always_said(policy: Policy, marks: str) -> None:
    for (record, statement), mark in zip(told(marks, policy), marks, strict=True):
        if record.down and mark == "x":
            assert statement is not None


@given(policies)
def test_a_target_that_stays_well_comes_up(policy: Policy) -> None:
    record, _ = told("x" * policy.of + "." * (policy.of + policy.goods), policy)[-1]

    assert not record.down


def test_a_policy_that_became_stricter_does_not_call_a_good_run_down() -> None:
    record, _ = told("xx", Policy(fails=3, of=3))[-1]
    after, statement = judge(record, run(2, "."), Policy(fails=1, of=3, goods=3))

    assert (after.down, statement) == (False, None)
