"""Pings travel through the inbox beside alerts, and reach who listens for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest
import redis
import structlog
from redis.exceptions import RedisError

from bridge.domain.ping import Kind, Ping
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.store.inbox import Inbox, body_of
from tests.pipeline.desk import Board, Desk
from tests.strategies import START, alert

PING = Ping(name="self:canary", kind=Kind.EXIT, at=START, exit_status=3, body="disk full", run="r")


class Ear:
    """Listens, or fails as it is asked to."""

    def __init__(self) -> None:
        self.heard: list[Ping] = []
        self.fault: Exception | None = None

    def __call__(self, parts: Parts, pings: Sequence[Ping], now: datetime) -> None:
        """Keep the pings."""
        if self.fault is not None:
            raise self.fault
        self.heard += pings


@pytest.fixture
def ear() -> Ear:
    """Who listens for `self:`."""
    return Ear()


@pytest.fixture
def desk(redis_client: redis.Redis, ear: Ear) -> Desk:
    """A desk with an ear."""
    desk = Desk(redis_client, [Board("board")])
    desk.parts = replace(desk.parts, listeners={"self": ear}, abandoned=timedelta())
    return desk


def test_what_one_request_said_arrives_as_one(desk: Desk, ear: Ear) -> None:
    desk.parts.inbox.put([alert()], "trace", [PING])
    desk.hear()

    assert ear.heard == [PING]
    assert list(desk.boards["board"].shown) == ["f" * 24 + "-1"]
    assert len(desk.parts.inbox) == 0


def test_an_entry_without_alerts_is_acknowledged(desk: Desk, ear: Ear) -> None:
    desk.parts.inbox.put([], pings=[PING])
    ingest(desk.parts)
    assert (len(desk.parts.inbox), ear.heard) == (0, [PING])


def test_pings_are_heard_in_the_order_of_their_times(desk: Desk, ear: Ear) -> None:
    late = msgspec.structs.replace(PING, at=START + timedelta(seconds=5))
    for ping in (late, PING):
        desk.parts.inbox.put([], pings=[ping])
    ingest(desk.parts)
    assert ear.heard == [PING, late]


def test_what_nobody_listens_for_is_said_and_goes(desk: Desk) -> None:
    desk.parts.inbox.put([], pings=[msgspec.structs.replace(PING, name="other:x")])
    with structlog.testing.capture_logs() as lines:
        ingest(desk.parts)
    assert [(line["event"], line["kind"]) for line in lines] == [("pings_unheard", "other")]
    assert len(desk.parts.inbox) == 0


def test_a_store_that_fails_meanwhile_leaves_the_entry_to_be_taken_again(desk: Desk, ear: Ear) -> None:
    desk.parts.inbox.put([alert()], pings=[PING])
    ear.fault = RedisError("no room")
    with pytest.raises(RedisError):
        ingest(desk.parts)
    ear.fault = None
    desk.hear()
    assert ear.heard == [PING]
    assert list(desk.boards["board"].shown) == ["f" * 24 + "-1"]


def test_a_mistake_in_a_listener_keeps_no_alert(desk: Desk, ear: Ear) -> None:
    ear.fault = KeyError("x")
    desk.parts.inbox.put([alert()], pings=[PING])
    with structlog.testing.capture_logs() as lines:
        desk.hear()
    assert "pings_broken" in [line["event"] for line in lines]
    assert list(desk.boards["board"].shown) == ["f" * 24 + "-1"]


def test_what_an_older_bridge_left_in_inbox_or_journal_is_still_read(desk: Desk) -> None:
    body = msgspec.msgpack.encode([alert()])
    assert body_of([alert()]) == body
    desk.keys.client.xadd(desk.keys.key("inbox"), {"a": body, "t": "trace"})
    (taken,) = Inbox(desk.keys).take(10)[1]
    assert (taken.alerts, taken.pings, taken.trace) == ([alert()], [], "trace")
