"""The receiver's way to the store over a network that is cut while it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
import redis

from bridge.message import queue_key
from bridge.store.doorbell import ring_once
from bridge.store.segment import Entry
from bridge.web.inlet import InboxLimit, Inlet, client
from tests.faults.network import Cable, Mode, Network

uvloop = pytest.importorskip("uvloop", reason="the receiver runs on it where there is one")
ROUNDS = 60


@pytest.fixture
def cable(redis_client: redis.Redis) -> Iterator[Cable]:
    network = Network()
    path = redis_client.connection_pool.connection_kwargs["path"]
    yield network.cable_to_socket(path)
    network.close()


async def cut_while_writing(cable: Cable) -> list[Sequence[int]]:
    """Return what each write said was not surely stored, and last what one said after all cuts."""
    store = client(f"redis://127.0.0.1:{cable.port}/0")
    inlet = Inlet(store, lambda: None, InboxLimit())
    said: list[Sequence[int]] = []
    for number in range(ROUNDS):
        if number % 6 == 0:
            await asyncio.to_thread(cable.turn, Mode.CUT)
        writes = [asyncio.create_task(inlet.write([Entry("", b"x")])) for _ in range(4)]
        if number % 6 == 5:
            await asyncio.wait(writes)
        await asyncio.sleep(0.0005 * (number % 6))
        await asyncio.to_thread(cable.turn, Mode.CUT)
        said += await asyncio.gather(*writes)
        await asyncio.to_thread(cable.turn, Mode.PASS)
        await inlet.look()
    for _ in range(20):  # the receiver looks again and again; each look may find one more connection that was cut
        await inlet.look()
    assert not inlet.down
    said.append(await inlet.write([Entry("", b"last")]))
    await store.aclose()
    return said


def test_a_cut_network_is_a_store_that_is_down_and_a_mended_one_is_used_again(
    cable: Cable, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.inlet.STORE_WITHIN", 30)  # a cut is noticed at once
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        *said, last = runner.run(cut_while_writing(cable))

    stored = sum(not list(refused) for refused in said)
    assert 0 < stored < len(said)
    assert list(last) == []
    assert redis_client.xlen("{ab}:inbox") >= stored + 1


def test_the_store_rings_in_the_round_trip_of_the_write(redis_client: redis.Redis) -> None:
    async def write_twice() -> list[Sequence[int]]:
        store = client(f"unix://{redis_client.connection_pool.connection_kwargs['path']}")
        inlet = Inlet(store, ring_once("{ab}:"), InboxLimit())
        said = [await inlet.write([Entry("", b"x"), Entry("", b"y")]) for _ in range(2)]
        assert inlet.bytes < 1000, "the ring takes no room in the inbox"
        await store.aclose()
        return said

    assert [list(refused) for refused in asyncio.run(write_twice())] == [[], []]
    assert redis_client.xlen("{ab}:inbox") == 4
    assert redis_client.llen(queue_key("{ab}:")) == 1
