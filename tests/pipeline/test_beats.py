"""Heartbeats in a real store: from pings and from silence to incidents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import msgspec
import pytest
import redis
import structlog

from bridge.domain.alert import Alert, Status, from_epoch
from bridge.domain.heartbeat import LONG_AGO, Plan, Record, called_missing
from bridge.domain.matcher import parse_matchers
from bridge.domain.ping import Kind, Ping
from bridge.domain.watchdog import Watchdog
from bridge.pipeline import beats
from bridge.pipeline.ingest import ingest
from bridge.store import incidents
from bridge.store.heartbeats import Heartbeats, Kept
from bridge.store.notes import Note, encode_note
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

BACKUP = Plan(name="heartbeat:backup", every=timedelta(hours=1), grace=timedelta(minutes=10))


def ago(minutes: float) -> datetime:
    """Return a time before now: the store judges by its own clock."""
    return datetime.now(UTC) - timedelta(minutes=minutes)


def ping(minutes: float, kind: Kind = Kind.SUCCESS, name: str = BACKUP.name, **more: object) -> Ping:
    """Return a ping that came so long ago."""
    return Ping(name=name, kind=kind, at=ago(minutes), **more)  # type: ignore[arg-type]  # fields by name


class Ward(Desk):
    """A desk with heartbeats."""

    def plan(self, *plans: Plan) -> None:
        """Start anew with these plans, as a worker with another config does."""
        store = Heartbeats(self.keys, plans)
        self.parts = replace(self.parts, heartbeats=store, listeners=dict.fromkeys(beats.KINDS, beats.heed))

    def watched_for(self, minutes: float) -> None:
        """Let somebody have looked at heartbeats for so long."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        seen = {"looked": now, "resumed": int(now - minutes * 60_000), "watched": 0, "paused": 0, "stirred": 0}
        self.keys.client.hset(self.keys.key("beat-watch"), mapping=seen)  # type: ignore[arg-type]  # its types are narrow

    def pinged(self, *pings: Ping) -> None:
        """Take pings all the way."""
        self.parts.inbox.put([], pings=pings)
        self.hear()
        self.hear()

    def look(self) -> Sequence[Alert]:
        """Look at what is missing, and tell of it."""
        self.keys.client.delete(self.keys.key("beat-look"))
        found = beats.look(self.parts)
        self.hear()
        return found

    @property
    def store(self) -> Heartbeats:
        """What the worker looks into."""
        assert self.parts.heartbeats
        return self.parts.heartbeats

    @property
    def incidents(self) -> list[incidents.Record]:
        """Everything that was ever told."""
        return list(self.parts.incidents.each())


@pytest.fixture
def ward(redis_client: redis.Redis) -> Ward:
    """A desk with one heartbeat, watched for long."""
    ward = Ward(redis_client, [Board("board")])
    ward.plan(BACKUP)
    ward.watched_for(60)
    store = ward.parts.heartbeats
    assert store
    assert store.save(Kept(BACKUP, Record(since=ago(24 * 60)), 0), ago(-60))
    return ward


def test_missing_is_one_message_and_back_resolves_it(ward: Ward) -> None:
    ward.pinged(ping(72))
    ward.look()
    ward.look()
    (record,) = ward.incidents
    assert (record.incident.title, record.incident.source, record.incident.count) == (
        "Heartbeat backup is down",
        "heartbeats",
        1,
    )
    assert ward.boards["board"].created == [record.incident.id]

    ward.pinged(ping(0))
    (record,) = ward.incidents
    assert not record.incident.open
    assert re.search(r"it is back; it had been missing for 12 min( \d+ s)?$", record.incident.timeline[-1].text)
    assert ward.boards["board"].created == [record.incident.id]


def test_a_source_that_goes_quiet_is_an_alert_until_it_speaks_again(ward: Ward) -> None:
    ward.plan(BACKUP, Plan(name="source:sentry", every=timedelta(minutes=30)))
    store = ward.parts.heartbeats
    assert store
    quiet = store.plans["source:sentry"]
    assert store.save(Kept(quiet, Record(since=ago(60 * 24)), 0), ago(-30))
    ward.pinged(ping(45, name="source:sentry"))
    ward.look()
    (record,) = ward.incidents
    assert (record.incident.title, record.incident.labels) == ("Source sentry went quiet", {"quiet_source": "sentry"})
    ward.pinged(ping(0, name="source:sentry"))
    (record,) = ward.incidents
    assert "it speaks again; a request had been missing for 15 min" in record.incident.timeline[-1].text


def test_a_failure_is_told_without_waiting_for_a_look(ward: Ward) -> None:
    ward.pinged(ping(0, Kind.EXIT, exit_status=3, body="disk full"))
    (record,) = ward.incidents
    assert record.incident.summary == "It ended with exit status 3: disk full"
    assert ward.keys.client.hget(ward.keys.key("counts"), "ping:exit") == b"1"


def test_the_same_pings_again_after_a_crash_change_nothing(ward: Ward) -> None:
    pings = [ping(5, Kind.START), ping(4, Kind.FAIL), ping(3)]
    ward.pinged(*pings)
    before = ward.incidents
    ward.pinged(*pings)
    assert ward.incidents == before
    assert before[0].incident.count == 1


def test_nothing_is_missing_while_its_ping_may_lie_in_the_inbox(ward: Ward) -> None:
    ward.pinged(ping(71))
    late = ping(2)
    at = int(ago(2).timestamp() * 1000)
    ward.parts.inbox.put([], pings=[late])
    (entry,) = ward.keys.client.xrange(ward.keys.key("inbox"))  # type: ignore[misc]  # not the async client
    ward.keys.client.delete(ward.keys.key("inbox"))
    ward.keys.client.xadd(ward.keys.key("inbox"), entry[1], id=f"{at}-0")
    ward.keys.client.delete(ward.keys.key("beat-look"))
    assert beats.look(ward.parts) == []

    ward.hear()
    assert ward.look() == []
    assert ward.incidents == []


def test_what_is_stuck_in_the_inbox_does_not_hide_a_missing_one_for_ever(ward: Ward) -> None:
    ward.pinged(ping(70 + 16))
    ward.parts.inbox.put([alert()])
    body = ward.keys.client.xrange(ward.keys.key("inbox"))[0][1]  # type: ignore[index]  # not the async client
    ward.keys.client.delete(ward.keys.key("inbox"))
    ward.keys.client.xadd(ward.keys.key("inbox"), body, id=f"{int(ago(60).timestamp() * 1000)}-0")
    ward.keys.client.delete(ward.keys.key("beat-look"))
    assert [one.status for one in beats.look(ward.parts)] == [Status.FIRING]


def test_after_an_absence_of_the_bridge_the_next_ping_is_waited_for(ward: Ward) -> None:
    ward.pinged(ping(75))
    ward.watched_for(5)
    assert ward.look() == []
    (kept,) = ward.store.load([BACKUP.name]).values()
    until = called_missing(kept.record, BACKUP, ward.store.resumed()).timestamp() * 1000
    assert ward.keys.client.zscore(ward.keys.key("beats"), BACKUP.name) == pytest.approx(until, abs=1)
    ward.watched_for(11)
    ward.keys.client.zadd(ward.keys.key("beats"), {BACKUP.name: 0})
    assert [one.status for one in ward.look()] == [Status.FIRING]


def test_an_absence_is_noticed_by_the_next_look(ward: Ward) -> None:
    ward.pinged(ping(75))
    watch = ward.keys.key("beat-watch")
    long_ago = int(ago(30).timestamp() * 1000)
    ward.keys.client.hset(watch, "looked", str(long_ago))
    assert ward.look() == []
    resumed = ward.keys.client.hget(watch, "resumed")
    assert isinstance(resumed, bytes)
    assert int(resumed) > long_ago
    assert ward.store.resumed() == from_epoch(int(resumed) / 1000)


def test_after_a_pause_of_the_store_receivers_have_time_to_bring_their_journals_in(ward: Ward) -> None:
    ward.pinged(ping(70))  # its deadline was just now, and nobody has looked for six seconds
    watch = ward.keys.key("beat-watch")
    ward.keys.client.hset(watch, "looked", str(int(ago(0.1).timestamp() * 1000)))
    assert ward.look() == []
    assert ward.look() == []
    ward.keys.client.hset(watch, "stirred", str(int(ago(0.3).timestamp() * 1000)))
    assert [one.status for one in ward.look()] == [Status.FIRING]


def test_what_was_due_before_a_pause_is_not_spared_by_it(ward: Ward) -> None:
    ward.pinged(ping(75))
    ward.keys.client.hset(ward.keys.key("beat-watch"), "looked", str(int(ago(0.1).timestamp() * 1000)))
    assert [one.status for one in ward.look()] == [Status.FIRING]


def leave(ward: Ward, minutes: float, **more: object) -> None:
    """Let the note of a receiver be so old."""
    note = Note(name="receiver", at=ago(minutes), **more)  # type: ignore[arg-type]  # fields by name
    ward.keys.client.hset(ward.keys.key("receivers"), "receiver", encode_note(note))


def test_while_no_receiver_is_heard_and_a_while_after_nothing_is_missing(ward: Ward) -> None:
    ward.pinged(ping(75))
    leave(ward, 1)
    assert ward.look() == []
    ward.keys.client.zadd(ward.keys.key("beats"), {BACKUP.name: 0})
    ward.keys.client.delete(ward.keys.key("receivers"))  # it ended as it should: the same
    assert ward.look() == []
    leave(ward, 0)
    ward.keys.client.zadd(ward.keys.key("beats"), {BACKUP.name: 0})
    assert ward.look() == []
    ward.watched_for(11)
    ward.keys.client.zadd(ward.keys.key("beats"), {BACKUP.name: 0})
    assert [one.status for one in ward.look()] == [Status.FIRING]


def test_receivers_that_are_gone_for_long_excuse_nothing(ward: Ward) -> None:
    ward.pinged(ping(75))
    leave(ward, 16)
    assert [one.status for one in ward.look()] == [Status.FIRING]


def test_nothing_is_missing_while_its_ping_may_lie_in_a_journal(ward: Ward) -> None:
    ward.pinged(ping(75))
    leave(ward, 0, records=1, held_since=ago(6))
    assert ward.look() == []
    leave(ward, 0, records=1, held_since=ago(1))
    assert [one.status for one in ward.look()] == [Status.FIRING]


def test_a_bridge_that_comes_and_goes_is_not_silent_for_ever(ward: Ward) -> None:
    ward.pinged(ping(75))
    ward.watched_for(1)
    ward.keys.client.hset(ward.keys.key("beat-watch"), "watched", str(46 * 60_000))
    assert [one.status for one in ward.look()] == [Status.FIRING]
    assert ward.store.resumed() == LONG_AGO


def test_a_new_heartbeat_is_watched_from_now_and_one_that_is_gone_is_over(ward: Ward) -> None:
    ward.pinged(ping(0, Kind.FAIL))
    other = msgspec.structs.replace(BACKUP, name="source:sentry")
    ward.plan(other)
    (said,) = ward.look()
    assert said.status is Status.RESOLVED
    assert "no longer watched" in ward.incidents[0].incident.timeline[-1].text
    store = ward.parts.heartbeats
    assert store
    assert store.names() == ["source:sentry"]
    assert store.load([BACKUP.name]) == {}


def test_a_changed_schedule_counts_from_now_and_keeps_what_is_known(ward: Ward) -> None:
    ward.pinged(ping(50))
    quick = msgspec.structs.replace(BACKUP, every=timedelta(minutes=1), grace=timedelta(0))
    ward.plan(quick)
    ward.look()
    assert ward.look() == []
    store = ward.parts.heartbeats
    assert store
    kept = store.load([BACKUP.name])[BACKUP.name]
    assert kept.plan == quick
    assert kept.record.last


def test_a_worker_brings_its_config_in_once(ward: Ward) -> None:
    ward.look()
    old = ward.parts
    ward.plan(msgspec.structs.replace(BACKUP, name="heartbeat:new"))
    ward.look()
    ward.parts = old
    ward.look()
    store = ward.parts.heartbeats
    assert store
    assert store.names() == ["heartbeat:new"]


def test_a_worker_with_nothing_to_miss_leaves_looking_to_the_others(ward: Ward) -> None:
    ward.pinged(ping(72))
    other = Ward(ward.keys.client, [])
    store = Heartbeats(other.keys)
    store.settled = True  # as a worker that began before the heartbeat was planted
    other.parts = replace(other.parts, heartbeats=store)
    assert other.look() == []
    assert [one.status for one in beats.look(ward.parts)] == [Status.FIRING]


def test_a_ping_of_what_no_config_has_is_said_and_lost(ward: Ward) -> None:
    with structlog.testing.capture_logs() as lines:
        ward.pinged(ping(0, name="heartbeat:other"))
    assert "pings_unheard" in [line["event"] for line in lines]
    assert len(ward.parts.inbox) == 0


def test_pings_that_many_workers_take_at_once_are_all_counted(ward: Ward) -> None:
    for minute in range(40):
        ward.parts.inbox.put([], pings=[ping(40 - minute)])
    workers = [Thread(target=ingest, args=(ward.parts, 5)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert ward.keys.client.hget(ward.keys.key("counts"), "ping:success") == b"40"
    store = ward.parts.heartbeats
    assert store
    last = store.load([BACKUP.name])[BACKUP.name].record.last
    assert last
    assert last.at > ago(2)


def test_two_looks_at_once_say_it_once(ward: Ward) -> None:
    ward.pinged(ping(75))
    store = ward.parts.heartbeats
    assert store
    stale = store.load([BACKUP.name])[BACKUP.name]
    assert len(ward.look()) == 1
    assert not store.save(stale, None, [alert()])


def test_alertmanagers_watchdog_is_a_ping_and_no_incident_and_its_silence_is_one(ward: Ward) -> None:
    dog = Watchdog(BACKUP.name, "sentry", tuple(parse_matchers('alertname="Watchdog"')))
    ward.parts = replace(ward.parts, watchdogs=[dog])
    always = alert(labels={"alertname": "Watchdog"}, said_at=ago(75))
    with structlog.testing.capture_logs() as lines:
        ward.hear(always, alert(fingerprint="e" * 24, event_id="other"))
    assert [record.incident.fingerprint for record in ward.incidents] == ["e" * 24]
    assert ("alert_is_ping", BACKUP.name) in [(line["event"], line.get("name")) for line in lines]

    ward.hear(msgspec.structs.replace(always, status=Status.RESOLVED, said_at=None))
    (said,) = ward.look()
    assert said.title == "Heartbeat backup is down"
    assert said.details == "sentry said that ZeroDivisionError is over"
