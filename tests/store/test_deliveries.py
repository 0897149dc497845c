from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest
import redis

from bridge.domain.advance import advance
from bridge.domain.alert import Link
from bridge.ports import Pace, Receipt
from bridge.store.deliveries import Deliveries, Doubt, Ended, Lease, Letter, Recorded, Settled, Settlement
from bridge.store.incidents import Due, Incidents, Item
from bridge.store.keyspace import Keyspace
from tests.e2e.bridge_processes import until
from tests.strategies import START, alert

F = "f" * 24
NOW = timedelta()
HOUR = timedelta(hours=1)
DONE = Settlement(outcome=Settled.DONE, receipt=Receipt(handle=("C1", "1.0"), version=1, told=1))


@pytest.fixture
def keyspace(redis_client: redis.Redis) -> Keyspace:
    return Keyspace(redis_client)


@pytest.fixture
def deliveries(keyspace: Keyspace) -> Deliveries:
    return Deliveries(keyspace)


def commit(keyspace: Keyspace, *dues: Due) -> list[str]:
    incident, _ = advance(None, alert(), set(), timedelta(hours=24))
    known = Incidents(keyspace).find(F)
    revision = known.revision if known else 0
    item = Item(fingerprint=F, revision=revision, incident=incident, dues=list(dues), event_ids=[])
    conflicts, rings = Incidents(keyspace).commit([item], [], {}, START)
    assert not conflicts
    return rings


def take(deliveries: Deliveries, destination: str = "oncall", lease: timedelta = timedelta(seconds=30)) -> list[Lease]:
    return deliveries.take(destination, 10, lease)[1]


def test_what_is_due_is_taken_once_and_gone_when_done(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", NOW))
    (lease,) = take(deliveries)
    assert take(deliveries) == []

    assert deliveries.settle(lease, DONE, START) == (True, [])
    assert deliveries.due("oncall") == 0
    record = Incidents(keyspace).find(F)
    assert record is not None
    assert record.receipts == {"oncall": DONE.receipt}
    assert record.attempted == frozenset()


def test_what_is_due_later_is_not_taken_before(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", timedelta(hours=1)))

    assert take(deliveries) == []
    assert deliveries.due("oncall") == 1


def test_a_change_during_a_delivery_is_delivered_after_it(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", NOW))
    (lease,) = take(deliveries)
    commit(keyspace, Due("oncall", NOW))
    assert take(deliveries) == []

    assert deliveries.settle(lease, DONE, START) == (True, ["oncall"])
    assert len(take(deliveries)) == 1


def test_a_lapsed_lease_leaves_doubt_and_its_holder_can_settle_no_more(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    commit(keyspace, Due("oncall", NOW))
    (first,) = take(deliveries, lease=timedelta(milliseconds=1))
    time.sleep(0.01)
    (second,) = take(deliveries)

    assert second.doubt is not None
    assert second.lapsed is not None
    assert second.attempts == 1
    assert deliveries.settle(first, DONE, START) == (False, [])
    assert deliveries.due("oncall") == 1
    assert deliveries.settle(second, DONE, START)[0]


def test_a_change_after_a_lease_lapsed_is_not_lost_when_its_holder_settles_late(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    commit(keyspace, Due("oncall", NOW))
    (paused,) = take(deliveries, lease=timedelta(milliseconds=1))
    time.sleep(0.01)
    commit(keyspace, Due("oncall", NOW))

    assert deliveries.settle(paused, DONE, START)[0]
    assert len(take(deliveries)) == 1


def test_what_was_decided_before_a_first_attempt_began_is_decided_anew(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    """Or a resolution that was read as "nobody knows of it yet, tell nobody" would never be told."""
    commit(keyspace, Due("oncall", NOW))
    read = Incidents(keyspace).find(F)
    assert read is not None
    (lease,) = take(deliveries)
    stale = Item(fingerprint=F, revision=read.revision, incident=read.incident, dues=[], event_ids=[])
    assert Incidents(keyspace).commit([stale], [], {}, START)[0] == {0}

    read = Incidents(keyspace).find(F)
    assert read is not None
    assert read.attempted == {"oncall"}
    deliveries.settle(lease, Settlement(outcome=Settled.RETRY), START)
    assert take(deliveries)
    fresh = Item(fingerprint=F, revision=read.revision, incident=read.incident, dues=[], event_ids=[])
    assert Incidents(keyspace).commit([fresh], [], {}, START)[0] == set(), "a later attempt is no news"


def test_doubt_goes_back_to_the_first_attempt_whose_outcome_is_unknown(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    commit(keyspace, Due("oncall", NOW))
    (lease,) = take(deliveries)
    deliveries.settle(lease, Settlement(outcome=Settled.UNKNOWN, doubt=Doubt.SET), START)
    (first,) = take(deliveries)
    time.sleep(0.01)
    deliveries.settle(first, Settlement(outcome=Settled.UNKNOWN, doubt=Doubt.SET), START)

    (second,) = take(deliveries)
    assert second.doubt == first.doubt


def test_doubt_stays_until_it_is_cleared(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", NOW))
    (lease,) = take(deliveries)
    deliveries.settle(lease, Settlement(outcome=Settled.UNKNOWN, doubt=Doubt.SET), START)
    (lease,) = take(deliveries)
    assert lease.doubt is not None
    assert lease.lapsed is None

    deliveries.settle(lease, Settlement(outcome=Settled.RETRY, doubt=Doubt.KEEP), START)
    (lease,) = take(deliveries)
    assert lease.doubt is not None
    deliveries.settle(lease, Settlement(outcome=Settled.RETRY, doubt=Doubt.CLEAR), START)
    (lease,) = take(deliveries)
    assert lease.doubt is None
    assert lease.attempts == 3


def test_a_new_change_does_not_shorten_a_backoff(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", NOW))
    (lease,) = take(deliveries)
    deliveries.settle(lease, Settlement(outcome=Settled.RETRY, delay=timedelta(hours=1)), START)
    commit(keyspace, Due("oncall", NOW))

    assert take(deliveries) == []


def test_a_blocked_destination_is_left_alone_and_then_probed_with_one(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    for n in range(3):
        incident, _ = advance(None, alert(fingerprint=f"{n}" * 24), set(), timedelta(hours=24))
        dues = [Due("oncall", NOW)]
        item = Item(fingerprint=f"{n}" * 24, revision=0, incident=incident, dues=dues, event_ids=[])
        Incidents(keyspace).commit([item], [], {}, START)
    (lease,) = deliveries.take("oncall", 1)[1]
    deliveries.settle(lease, Settlement(outcome=Settled.RETRY, delay=HOUR, hold=HOUR), START)
    assert take(deliveries) == []

    keyspace.client.delete("{ab}:hold:oncall")
    (probe,) = take(deliveries)
    deliveries.settle(probe, DONE, START)
    assert len(take(deliveries)) == 1


def many(keyspace: Keyspace, count: int) -> None:
    """Make that many incidents due."""
    for n in range(count):
        incident, _ = advance(None, alert(fingerprint=f"{n}" * 24), set(), timedelta(hours=24))
        item = Item(fingerprint=f"{n}" * 24, revision=0, incident=incident, dues=[Due("oncall", NOW)], event_ids=[])
        Incidents(keyspace).commit([item], [], {}, START)


def test_one_round_trip_settles_what_ended_and_takes_as_many_more(keyspace: Keyspace, deliveries: Deliveries) -> None:
    many(keyspace, 5)
    first, second, third = deliveries.take("oncall", 3)[1]
    deliveries.settle(second, DONE, START)
    later = Settlement(outcome=Settled.RETRY, delay=HOUR, reason="not now")
    ended = [Ended(first, DONE, START), Ended(second, DONE, START), Ended(third, later, START)]
    turned = deliveries.turn("oncall", 3, ended)

    assert turned.recorded == [Recorded.DONE, Recorded.LOST, Recorded.DONE]
    assert len(turned.leases) == 2
    assert not {lease.id for lease in turned.leases} & {one.lease.id for one in ended}
    assert deliveries.due("oncall") == 3
    assert deliveries.turn("oncall", 8).leases == []


def test_what_a_settlement_of_the_same_turn_says_counts_for_what_is_taken(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    many(keyspace, 5)
    one, other = deliveries.take("oncall", 2)[1]
    blocked = Settlement(outcome=Settled.RETRY, delay=HOUR, hold=HOUR, reason="slow down")
    assert deliveries.turn("oncall", 7, [Ended(one, blocked, START)], under_way=1).leases == []

    keyspace.client.delete("{ab}:hold:oncall")
    assert deliveries.turn("oncall", 7, under_way=1).leases == [], "it is probed when nothing is under way"
    assert len(deliveries.turn("oncall", 7, [Ended(other, DONE, START)]).leases) == 3


def test_the_fifth_failure_in_a_row_opens_the_circuit_and_a_success_closes_it(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    many(keyspace, 9)
    down = Settlement(outcome=Settled.UNKNOWN, delay=timedelta(hours=1), doubt=Doubt.SET, reason="time-out")
    for _ in range(4):
        deliveries.settle(deliveries.take("oncall", 1)[1][0], down, START)
    (fifth,) = deliveries.take("oncall", 1)[1]
    deliveries.settle(fifth, down, START)
    assert take(deliveries) == []

    keyspace.client.delete("{ab}:hold:oncall")
    (probe,) = take(deliveries)
    deliveries.settle(probe, DONE, START)
    assert len(take(deliveries)) == 3
    assert keyspace.client.exists("{ab}:failing:oncall") == 0


def test_a_paced_destination_gets_a_burst_and_then_one_at_a_time(keyspace: Keyspace, deliveries: Deliveries) -> None:
    many(keyspace, 9)
    pace = Pace(per_second=0.001, burst=3)

    assert len(deliveries.take("oncall", 8, pace=pace)[1]) == 3
    assert deliveries.take("oncall", 8, pace=pace)[1] == []
    keyspace.client.decrby("{ab}:rate:oncall", 1_000_000)
    assert len(deliveries.take("oncall", 8, pace=pace)[1]) == 1
    assert len(deliveries.take("oncall", 8)[1]) == 5


def test_a_new_link_wakes_the_other_destinations(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", NOW), Due("tickets", NOW))
    (slack,), (jira,) = take(deliveries), take(deliveries, "tickets")
    deliveries.settle(slack, DONE, START)
    linked = Receipt(handle=("OPS-1", "1"), version=1, told=1, link=Link("Jira OPS-1", "https://jira/OPS-1"))

    assert deliveries.settle(jira, Settlement(outcome=Settled.DONE, receipt=linked), START) == (True, ["oncall"])
    (again,) = take(deliveries)
    assert again.receipts["tickets"] == linked


def test_a_link_that_appears_while_the_other_is_under_way_reaches_it_afterwards(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    commit(keyspace, Due("oncall", NOW), Due("tickets", NOW))
    (slack,), (jira,) = take(deliveries), take(deliveries, "tickets")
    assert DONE.receipt is not None
    link = Link("Slack", "https://slack/1")
    linked = Settlement(outcome=Settled.DONE, receipt=msgspec.structs.replace(DONE.receipt, link=link))
    deliveries.settle(slack, linked, START)
    receipt = Receipt(handle=("OPS-1", "1"), version=1, told=1)
    deliveries.settle(jira, Settlement(outcome=Settled.DONE, receipt=receipt), START)

    (again,) = take(deliveries, "tickets")
    assert again.receipts["oncall"].link == link


def test_a_rejected_delivery_becomes_a_dead_letter_and_is_due_no_more(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    commit(keyspace, Due("oncall", NOW))
    (lease,) = take(deliveries)
    deliveries.settle(lease, Settlement(outcome=Settled.DEAD, reason="channel_not_found"), START)

    assert deliveries.due("oncall") == 0
    stored = keyspace.client.hget("{ab}:dead", f"{F}-1@oncall")
    assert isinstance(stored, bytes)
    assert msgspec.msgpack.decode(stored, type=Letter).reason == "channel_not_found"


def test_the_sweep_rings_for_what_waits_and_only_once_in_its_lease(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace, Due("oncall", NOW), Due("later", timedelta(hours=1)))

    assert deliveries.sweep(["oncall", "later"]).rings == ["oncall"]
    keyspace.client.set("{ab}:sweep", "1")  # on a slow machine, its lease is over
    assert deliveries.sweep(["oncall", "later"]).rings == []


def test_one_sweep_in_each_period_is_told_that_a_proof_is_due(keyspace: Keyspace, deliveries: Deliveries) -> None:
    assert deliveries.sweep([], HOUR).prove
    keyspace.client.delete("{ab}:sweep")
    assert not Deliveries(keyspace).sweep([], HOUR).prove
    keyspace.client.delete("{ab}:sweep", "{ab}:proving")
    assert not deliveries.sweep([]).prove, "there are none"


def test_when_whoever_swept_last_is_gone_another_sweeps_within_a_second(
    keyspace: Keyspace, deliveries: Deliveries
) -> None:
    commit(keyspace, Due("oncall", NOW))
    assert deliveries.sweep(["oncall"]).rings == ["oncall"]  # and stops for ever

    assert keyspace.client.pttl("{ab}:sweep") in range(-2, 901)
    assert keyspace.client.pttl("{ab}:sweep") != -1, "it ends"
    until(lambda: Deliveries(keyspace).sweep(["oncall"]).rings == ["oncall"], "another sweeps")
