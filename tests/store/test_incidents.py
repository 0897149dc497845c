from __future__ import annotations

from datetime import timedelta

import pytest
import redis

from bridge.domain.advance import advance
from bridge.domain.alert import Status
from bridge.domain.incident import Incident
from bridge.store.deliveries import Deliveries
from bridge.store.inbox import Inbox
from bridge.store.incidents import Due, Incidents, Item
from bridge.store.keyspace import Keyspace
from tests.strategies import START, alert

F = "f" * 24
NOW = timedelta()


@pytest.fixture
def keyspace(redis_client: redis.Redis) -> Keyspace:
    return Keyspace(redis_client)


@pytest.fixture
def incidents(keyspace: Keyspace) -> Incidents:
    return Incidents(keyspace)


def opened() -> Incident:
    incident, _ = advance(None, alert(), set(), timedelta(hours=24))
    assert incident is not None
    return incident


def item(incident: Incident | None, revision: int = 0, dues: list[Due] | None = None, **more: object) -> Item:
    return Item(
        fingerprint=F, revision=revision, incident=incident, dues=dues or [], event_ids=["e1"], trace="t" * 32, **more
    )  # type: ignore[arg-type]  # fields by name


def test_what_was_committed_is_loaded_and_its_statement_is_known(incidents: Incidents) -> None:
    incident = opened()
    conflicts, rings = incidents.commit([item(incident, dues=[Due("oncall", NOW)])], [], {"change:opened": 1}, START)

    assert (conflicts, rings) == (set(), ["oncall"])
    records, seen = incidents.load([F, "0" * 24], ["e1", "e2"], START)
    assert records[F].incident == incident
    assert records[F].revision == 1
    assert set(records) == {F}
    assert seen == {"e1"}


@pytest.mark.parametrize("remember_for", [timedelta(days=7), timedelta(hours=36)])
@pytest.mark.parametrize("hours", range(0, 100, 9))
def test_a_statement_is_known_for_as_long_as_is_configured_and_then_forgotten(
    keyspace: Keyspace, remember_for: timedelta, hours: int
) -> None:
    incidents = Incidents(keyspace, remember_for=remember_for)
    now = START + timedelta(hours=hours)
    incidents.commit([item(opened())], [], {}, now)

    for part in range(21):
        assert incidents.load([F], ["e1", "e2"], now + remember_for * part / 20)[1] == {"e1"}
    assert incidents.load([F], ["e1"], now + remember_for * 1.5)[1] == set()
    (key,) = keyspace.client.keys("*seen:*")  # type: ignore[misc]  # not the async client
    assert keyspace.client.ttl(key) > remember_for.total_seconds(), "the store forgets it by itself"


def test_a_commit_on_a_stale_revision_is_refused_whole(incidents: Incidents, keyspace: Keyspace) -> None:
    incidents.commit([item(opened())], [], {}, START)
    conflicts, rings = incidents.commit([item(opened(), revision=0, dues=[Due("oncall", NOW)])], [], {}, START)

    assert (conflicts, rings) == ({0}, [])
    assert Deliveries(keyspace).due("oncall") == 0


def test_inbox_entries_are_done_only_when_all_their_incidents_were_written(
    incidents: Incidents, keyspace: Keyspace
) -> None:
    inbox = Inbox(keyspace)
    inbox.put([alert()], "trace-1")
    inbox.put([alert(1)], "trace-2")
    now, taken, _ = inbox.take(10)
    assert [t.trace for t in taken] == ["trace-1", "trace-2"]

    other = Item(fingerprint="0" * 24, revision=7, incident=opened(), dues=[], event_ids=[])
    conflicts, _ = incidents.commit([item(opened()), other], [(taken[0].entry, [0]), (taken[1].entry, [0, 1])], {}, now)

    assert conflicts == {1}
    assert len(inbox) == 1


def test_an_abandoned_entry_goes_to_the_next_who_asks(keyspace: Keyspace) -> None:
    inbox, other = Inbox(keyspace), Inbox(keyspace)
    inbox.put([alert()])
    assert len(inbox.take(10)[1]) == 1
    assert other.take(10)[1] == []
    assert other.take(10, abandoned=NOW)[1][0].alerts == [alert()]


def test_what_is_taken_at_once_is_bounded_by_its_bytes_too(keyspace: Keyspace) -> None:
    inbox = Inbox(keyspace)
    for n in range(50):
        inbox.put([alert(n, summary="x" * 1000)])
    taken: list[int] = []
    more = True
    while more:
        _, some, more = inbox.take(100, most=10_000)
        taken.append(len(some))

    assert sum(taken) == 50
    assert max(taken) <= 10
    assert inbox.take(100)[1:] == ([], False)


def test_large_entries_come_alone_or_with_a_few(keyspace: Keyspace) -> None:
    inbox = Inbox(keyspace)
    for n in range(9):
        inbox.put([alert(n, summary="x" * 20_000)])

    assert [len(inbox.take(100, most=10_000)[1]) for _ in range(4)] == [4, 4, 1, 0]


def test_abandoned_entries_are_found_behind_many_that_are_worked_on(keyspace: Keyspace) -> None:
    lost, busy = Inbox(keyspace), Inbox(keyspace)
    for n in range(200):
        busy.put([alert(n)])
    lost.take(200)
    client, key = keyspace.client, keyspace.key("inbox")
    in_hand = [entry for entry, _ in client.xrange(key, count=190)]  # type: ignore[union-attr]  # not the async client
    client.xclaim(key, "workers", "busy", 0, in_hand, idle=0)
    client.xclaim(key, "workers", "lost", 0, [e for e, _ in client.xrange(key)][190:], idle=60_000)  # type: ignore[union-attr]  # same

    _, taken, more = busy.take(100)
    assert len(taken) == 10
    assert more, "new ones may wait behind them"


def test_nobody_is_rung_for_while_somebody_goes_on_looking(keyspace: Keyspace) -> None:
    inbox, rung = Inbox(keyspace), keyspace.key("rung:")
    for n in range(3):
        inbox.put([alert(n)])
    keyspace.client.set(rung, "1")
    assert inbox.take(2)[2]
    assert keyspace.client.exists(rung)
    assert not inbox.take(2)[2]
    assert not keyspace.client.exists(rung)


def test_a_flushed_store_starts_again(keyspace: Keyspace) -> None:
    inbox = Inbox(keyspace)
    inbox.take(1)
    keyspace.client.flushall()
    inbox.put([alert()])

    assert len(inbox.take(1)[1]) == 1


def test_a_recurring_problem_keeps_the_old_incident_beside_the_new_one(
    incidents: Incidents, keyspace: Keyspace
) -> None:
    first, _ = advance(opened(), alert(1, Status.RESOLVED), set(), timedelta(hours=24))
    incidents.commit([item(first)], [], {}, START)
    second, _ = advance(first, alert(60 * 48), set(), timedelta(hours=24))
    assert second is not None
    incidents.commit([item(second, revision=1)], [], {}, START)

    found = [incidents.find(f"{F}-{n}") for n in (1, 2, 3)]
    assert [r.incident.number if r else None for r in found] == [1, 2, None]
    newest = incidents.find(F)
    assert newest is not None
    assert newest.incident.number == 2
    assert keyspace.client.pttl("{ab}:i:" + F + ":1") > 0
    assert keyspace.client.pttl("{ab}:i:" + F) == -1
    assert sorted(r.incident.number for r in incidents.each()) == [1, 2]


def test_a_closed_incident_is_forgotten_after_the_retention_and_an_open_one_is_not(
    keyspace: Keyspace,
) -> None:
    incidents = Incidents(keyspace, retention=timedelta(hours=1))
    first, _ = advance(opened(), alert(1, Status.RESOLVED), set(), timedelta(hours=24))
    incidents.commit([item(first)], [], {}, START)
    assert 3590_000 < keyspace.client.pttl("{ab}:i:" + F) <= 3600_000

    again, _ = advance(first, alert(2), set(), timedelta(hours=24))
    incidents.commit([item(again, revision=1, back=True)], [], {}, START)
    assert keyspace.client.pttl("{ab}:i:" + F) == -1
