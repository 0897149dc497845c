"""Waiting: how long a delivery, and how long its whole destination; and how several are under way at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from redis.exceptions import RedisError

from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.ports import Delivery, Receipt
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Deliveries, Turned
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


def now(client: redis.Redis) -> float:
    """The store's time."""
    seconds, micros = client.time()
    return float(seconds + micros / 1e6)


def fail(client: redis.Redis, parts: Parts, vendor: Vendor, *days: str) -> tuple[float, float]:
    """Let attempts fail one after the other, however long they wait for their turn.

    Returns in how many seconds the only delivery is due again, as seen after the last attempt and before it: between
    these two lies how long it waits.
    """
    for day in days:
        forward(client, 3600)
        vendor.days = [day]
        before = now(client)
        assert deliver(parts, "oncall") == 1
    ((_, due),) = client.zrange("{ab}:due:oncall", 0, -1, withscores=True)
    return due / 1000 - now(client), due / 1000 - before


def test_attempts_that_fail_wait_longer_and_longer_up_to_a_limit(
    redis_client: redis.Redis, parts: Parts, vendor: Vendor
) -> None:
    least, most = fail(redis_client, parts, vendor, "later", "later", "later")
    assert least <= 4
    assert most > 3
    least, most = fail(redis_client, parts, vendor, *["later"] * 5)
    assert least <= 40
    assert most > 35


def test_a_rate_limit_holds_the_destination_as_long_as_it_says_however_often_the_delivery_failed(
    redis_client: redis.Redis, parts: Parts, vendor: Vendor
) -> None:
    _, most = fail(redis_client, parts, vendor, *["later"] * 8, "blocked")

    assert most > 35, "the delivery itself keeps its backoff"
    assert 5_000 < redis_client.pttl("{ab}:hold:oncall") <= 30_000


def test_an_hour_in_which_the_vendor_fails_is_told_once_as_it_stands_then_and_costs_few_attempts(
    redis_client: redis.Redis, parts: Parts, vendor: Vendor
) -> None:
    problems, dice = [f"{number:024x}" for number in range(20)], random.Random(7)
    attempts = 0
    for minute in range(60):
        said = [alert(minute, fingerprint=problem, event=f"{problem}-{minute}") for problem in problems]
        parts.inbox.put(said)
        ingest(parts)
        for _ in range(6):
            vendor.days = [dice.choice(("no answer", "no answer", "lost answer", "later")) for _ in range(40)]
            attempts += deliver(parts, "oncall")
            forward(redis_client, 10)
    assert attempts < 400, "the circuit lets one through at a time"

    vendor.days = []
    for _ in range(80):
        deliver(parts, "oncall")
        forward(redis_client, 10)
    assert redis_client.zcard("{ab}:due:oncall") == 0
    told = {thing.incident: thing.count for thing in vendor.things}
    assert len(vendor.things) == len(told), "each once"
    assert told == {f"{problem}-1": 60 for problem in problems} | {f"{'f' * 24}-1": 1}
    assert len(DeadLetters(Keyspace(redis_client))) == 0


def wait_too(parts: Parts, *numbers: int) -> None:
    """Let more incidents be due."""
    parts.inbox.put([alert(fingerprint=f"{number:024x}", event=f"{number}") for number in numbers])
    ingest(parts)


class OneSlow(FakeSink):
    """Holds up the first call until the others are through."""

    def __init__(self, vendor: Vendor, others: int) -> None:
        super().__init__(vendor, lambda: None, tells_repeats=True)
        self._lock = threading.Lock()
        self._calls, self._others, self._through = 0, others, threading.Event()

    def sync(self, delivery: Delivery) -> Receipt:
        with self._lock:
            self._calls += 1
            number = self._calls
        if number == 1:
            assert self._through.wait(120), "the others wait for it"
        with self._lock:
            receipt = super().sync(delivery)
            if len(self.vendor.things) == self._others:
                self._through.set()
            return receipt


def test_a_slow_call_holds_up_no_other_delivery(parts: Parts, vendor: Vendor) -> None:
    wait_too(parts, *range(40))
    parts = replace(parts, sinks={"oncall": OneSlow(vendor, others=40)})

    assert deliver(parts, "oncall") == 41
    assert sorted(thing.incident for thing in vendor.things) == sorted({thing.incident for thing in vendor.things})
    assert len(vendor.things) == 41
    assert parts.deliveries.due("oncall") == 0


class Meddled(Deliveries):
    """Does something else before some turns."""

    def __init__(self, keyspace: Keyspace, before: Callable[[int], None]) -> None:
        super().__init__(keyspace)
        self._before, self.turns = before, 0

    def turn(self, *given: object, **more: object) -> Turned:
        self.turns += 1
        self._before(self.turns)
        return super().turn(*given, **more)  # type: ignore[arg-type]  # handed on


def test_what_was_done_is_settled_after_all_when_the_store_fails_once(
    redis_client: redis.Redis, parts: Parts, vendor: Vendor
) -> None:
    def fails(turn: int) -> None:
        if turn == 2:
            raise RedisError("gone for a moment")

    wait_too(parts, *range(7))
    with pytest.raises(RedisError):
        deliver(replace(parts, deliveries=Meddled(Keyspace(redis_client), fails)), "oncall")

    assert len(vendor.things) == 8
    assert parts.deliveries.due("oncall") == 0, "nothing is left to be looked up"
    assert deliver(parts, "oncall") == 0, "and the destination is not left as served for ever"


def test_a_bell_in_the_last_moment_is_heard(redis_client: redis.Redis, parts: Parts, vendor: Vendor) -> None:
    def rings(turn: int) -> None:
        if turn == 2:  # the only delivery is done and about to be settled
            wait_too(parts, 1)
            thread = threading.Thread(target=deliver, args=(parts, "oncall"))
            thread.start()
            thread.join()

    assert deliver(replace(parts, deliveries=Meddled(Keyspace(redis_client), rings)), "oncall") == 2
    assert len(vendor.things) == 2
