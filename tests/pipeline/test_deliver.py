"""Waiting: how long a delivery, and how long its whole destination."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis

from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.store.keyspace import Keyspace
from tests.pipeline.quiet import parts_with
from tests.pipeline.time_machine import forward
from tests.pipeline.vendors import FakeSink, Vendor
from tests.strategies import alert


@pytest.fixture
def vendor() -> Vendor:
    return Vendor(lambda: 0.0)


@pytest.fixture
def parts(redis_client: redis.Redis, vendor: Vendor) -> Parts:
    sink = FakeSink(vendor, lambda: None, tells_repeats=True)
    parts = parts_with(Keyspace(redis_client), {"oncall": sink}, longest_wait=timedelta(seconds=40))
    parts.inbox.put([alert()])
    ingest(parts)
    return parts


def waits(client: redis.Redis) -> float:
    """Seconds until the only delivery is due again."""
    ((_, due),) = client.zrange("{ab}:due:oncall", 0, -1, withscores=True)
    seconds, micros = client.time()
    return due / 1000 - seconds - micros / 1e6


def fail(client: redis.Redis, parts: Parts, vendor: Vendor, *days: str) -> None:
    """Let attempts fail one after the other, however long they wait for their turn."""
    for day in days:
        forward(client, 3600)
        vendor.days = [day]
        assert deliver(parts, "oncall") == 1


def test_attempts_that_fail_wait_longer_and_longer_up_to_a_limit(
    redis_client: redis.Redis, parts: Parts, vendor: Vendor
) -> None:
    fail(redis_client, parts, vendor, "later", "later", "later")
    assert 3 < waits(redis_client) <= 4
    fail(redis_client, parts, vendor, *["later"] * 5)
    assert 35 < waits(redis_client) <= 40


def test_a_rate_limit_holds_the_destination_as_long_as_it_says_however_often_the_delivery_failed(
    redis_client: redis.Redis, parts: Parts, vendor: Vendor
) -> None:
    fail(redis_client, parts, vendor, *["later"] * 8, "blocked")

    assert waits(redis_client) > 35, "the delivery itself keeps its backoff"
    assert 25_000 < redis_client.pttl("{ab}:hold:oncall") <= 30_000
