"""The bell past Celery: what lies in the queue is what Celery itself would have put there."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
import redis
import structlog

from bridge.bell import CeleryBell, celery_app
from bridge.message import INGEST, queue_key
from bridge.pipeline.parts import Bell
from bridge.store.doorbell import Doorbell, ring_once
from bridge.store.keyspace import Keyspace, connect
from tests.conftest import free_port

PREFIX = "{door}:"
RINGS: list[Callable[[Bell], None]] = [
    lambda bell: bell.ingest(),
    lambda bell: bell.deliver('on "call'),
    lambda bell: bell.recover("restart"),
]


@pytest.fixture
def doorbell(redis_client: redis.Redis) -> Doorbell:
    return Doorbell(Keyspace(redis_client, PREFIX))


def queued(client: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(message) for message in reversed(client.lrange(queue_key(PREFIX), 0, -1))]


@pytest.mark.parametrize("ring", RINGS)
def test_its_message_is_the_one_celery_sends(
    ring: Callable[[Bell], None], doorbell: Doorbell, redis_client: redis.Redis, store: str
) -> None:
    ring(CeleryBell(celery_app(store, PREFIX)))
    ring(doorbell)
    celerys, ours = queued(redis_client)

    assert json.loads(b64decode(ours.pop("body"))) == json.loads(b64decode(celerys.pop("body")))
    for part in ("headers", "properties"):
        theirs, own = celerys.pop(part), ours.pop(part)
        tags = {"id", "root_id", "correlation_id", "delivery_tag"}
        assert {name: own[name] for name in own.keys() - tags} == {name: theirs[name] for name in own.keys() - tags}
        assert all(own[name] for name in own.keys() & tags)
        left_out = {name: value for name, value in theirs.items() if name not in own}
        assert not {name for name, value in left_out.items() if value} - {"origin", "reply_to"}
    assert ours == celerys


def test_the_store_rings_once_until_a_worker_looked(redis_client: redis.Redis) -> None:
    ring = ring_once(PREFIX)
    assert redis_client.execute_command(*ring) == 1  # type: ignore[no-untyped-call]
    redis_client.persist(f"{PREFIX}rung:")  # on a slow machine, the second is over
    assert [redis_client.execute_command(*ring) for _ in range(2)] == [0, 0]  # type: ignore[no-untyped-call]
    redis_client.delete(f"{PREFIX}rung:")
    assert redis_client.execute_command(*ring) == 1  # type: ignore[no-untyped-call]

    first, second = queued(redis_client)
    assert first["headers"]["task"] == INGEST
    assert first["headers"]["id"] == first["properties"]["delivery_tag"]
    assert first["headers"]["id"] != second["headers"]["id"]


def test_no_two_messages_have_one_tag(doorbell: Doorbell, redis_client: redis.Redis) -> None:
    for _ in range(50):
        doorbell.ingest()

    assert len({one["properties"]["delivery_tag"] for one in queued(redis_client)}) == 50


def test_a_store_that_is_away_is_logged_and_never_raised() -> None:
    doorbell = Doorbell(Keyspace(connect(f"redis://:s3cret-password@127.0.0.1:{free_port()}/0", PREFIX), PREFIX))
    with structlog.testing.capture_logs() as lines:
        doorbell.deliver("oncall")

    (line,) = lines
    assert (line["event"], line["log_level"]) == ("bell_lost", "warning")
    assert "s3cret" not in str(line)
