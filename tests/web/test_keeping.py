"""Store, journal and memory from within one process: what can't be brought about from outside at will."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from bridge.domain.alert import Alert, Severity, Status
from bridge.store.journal import Journal
from bridge.store.keyspace import PREFIX
from bridge.web import inlet as inlet_module
from bridge.web import writer as writer_module
from bridge.web.aside import Aside
from bridge.web.inlet import InboxLimit, Inlet, client
from bridge.web.writer import NotStored, Writer

ANSWER_WITHIN = writer_module.ANSWER_WITHIN


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a busy machine time to answer, but where the time is what is tested."""
    monkeypatch.setattr(writer_module, "ANSWER_WITHIN", 60)


def alert(name: str, size: int = 0) -> list[Alert]:
    return [
        Alert(
            source="test", fingerprint=name, event_id=name, status=Status.FIRING, severity=Severity.ERROR,
            at=datetime.now(UTC), title=name, details="x" * size,
        )
    ]  # fmt: skip


@asynccontextmanager
async def writing(
    url: str, root: Path, sync: Callable[[int], None] = os.fsync, **journal: int
) -> AsyncIterator[tuple[Writer, Inlet, Aside]]:
    """The receiver's way to a promise, without its HTTP."""
    store = client(url)
    inlet = Inlet(store, lambda: None, InboxLimit())
    aside = Aside(Journal(root, sync=sync, **journal))
    made = Writer(inlet, aside)
    try:
        yield made, inlet, aside
    finally:
        await made.close()
        await aside.close()
        await store.aclose()


async def put(made: Writer, name: str, size: int = 0) -> bool:
    """Return whether it was accepted."""
    try:
        await made.put(alert(name, size), "")
    except NotStored:
        return False
    return True


def test_when_a_write_fails_halfway_only_what_the_store_refused_goes_to_the_journal(
    redis_client: redis.Redis, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.inlet.STORE_WITHIN", 30)  # 4 MB on a busy machine
    used = redis_client.info("memory")["used_memory"]
    redis_client.config_set("maxmemory", used + (2 << 20))

    async def scenario() -> tuple[list[bool], int]:
        async with writing(store, tmp_path) as (made, _, aside):
            answers = await asyncio.gather(*(put(made, f"{number}", 100_000) for number in range(39)))
            return list(answers), aside.journal.records

    try:
        answers, journaled = asyncio.run(scenario())
    finally:
        redis_client.config_set("maxmemory", 512 << 20)

    stored = redis_client.xlen(f"{PREFIX}inbox")
    assert all(answers)
    assert 0 < stored < 39
    assert stored + journaled == 39, "each is kept in exactly one of the two"


@pytest.fixture
def hole() -> Iterator[str]:
    """A store that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_more_than_may_wait_is_refused_at_once(hole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "WAITING", 50)

    async def scenario() -> tuple[list[bool], int]:
        async with writing(hole, tmp_path) as (made, _, _aside):
            answers = await asyncio.gather(*(put(made, f"{number}") for number in range(80)))
            return list(answers), made.shed["waiting"]

    answers, shed = asyncio.run(scenario())
    assert shed > 0
    assert answers.count(False) == shed
    assert answers.count(True) >= 50


def test_more_bytes_than_may_wait_are_refused_but_a_single_large_one_is_not(
    hole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BYTES_WAITING", 1000)

    async def scenario() -> tuple[bool, list[bool]]:
        async with writing(hole, tmp_path) as (made, _, _aside):
            alone = await put(made, "large", 5000)
            return alone, list(await asyncio.gather(*(put(made, f"{number}", 400) for number in range(9))))

    alone, together = asyncio.run(scenario())
    assert alone
    assert False in together
    assert True in together


def test_who_sends_has_an_answer_before_the_most_impatient_sender_hangs_up() -> None:
    assert inlet_module.STORE_WITHIN < ANSWER_WITHIN / 2
    assert ANSWER_WITHIN < 0.9, "Sentry waits for a second"


class HungDisk:
    """Stands in for fdatasync(2) on a disk that does not answer."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.calls = 0

    def __call__(self, descriptor: int) -> None:
        self.calls += 1
        self.answers.wait(120)
        os.fsync(descriptor)


def test_a_disk_that_hangs_delays_nobody_and_collects_no_writes(
    hole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "ANSWER_WITHIN", ANSWER_WITHIN)
    disk = HungDisk()

    async def scenario() -> tuple[list[bool], float, int, bool]:
        async with writing(hole, tmp_path, disk) as (made, _, _aside):
            began = time.monotonic()
            answers = [*await asyncio.gather(*(put(made, f"{number}") for number in range(20)))]
            answers += [await put(made, "later")]
            took = time.monotonic() - began
            calls = disk.calls
            disk.answers.set()
            again = False
            while not again:
                again = await put(made, "works again")
            return answers, took, calls, again

    answers, took, calls, again = asyncio.run(scenario())
    assert not any(answers)
    assert took < 20, "it hangs until it is told to go on"
    assert calls == 1, "the second write waited for the first, and was given up"
    assert again


def test_a_write_that_ends_after_its_answer_is_harmless(
    hole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "ANSWER_WITHIN", ANSWER_WITHIN)
    disk = HungDisk()

    async def scenario() -> None:
        async with writing(hole, tmp_path, disk) as (made, _, aside):
            assert not await put(made, "refused")
            disk.answers.set()
            while not aside.journal.records:
                await asyncio.sleep(0.005)

    asyncio.run(scenario())
    journal = Journal(tmp_path)
    assert journal.adopt() == 1, "replayed as a duplicate of the sender's repetition"
    journal.close()


def test_requests_share_one_sync_of_the_journal(hole: str, tmp_path: Path) -> None:
    synced: list[int] = []

    async def scenario() -> list[bool]:
        async with writing(hole, tmp_path, synced.append) as (made, _, _aside):
            return list(await asyncio.gather(*(put(made, f"{number}") for number in range(500))))

    assert all(asyncio.run(scenario()))
    assert len(synced) < 10


def test_a_request_that_is_cancelled_while_it_waits_harms_no_other(hole: str, tmp_path: Path) -> None:
    async def scenario() -> bool:
        async with writing(hole, tmp_path) as (made, _, _aside):
            gone = asyncio.create_task(put(made, "gone"))
            stays = asyncio.create_task(put(made, "stays"))
            await asyncio.sleep(0)
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            return await stays

    assert asyncio.run(scenario())


def test_a_busy_event_loop_is_not_taken_for_a_silent_store(
    redis_client: redis.Redis, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inlet_module, "STORE_WITHIN", 1.5)

    async def scenario() -> tuple[bool, str, int]:
        async with writing(store, tmp_path) as (made, inlet, aside):
            assert await put(made, "connects")
            waiting = asyncio.create_task(put(made, "while it is busy"))
            for _ in range(3):
                await asyncio.sleep(0)
            time.sleep(2)  # something else has the loop, and the store answers meanwhile
            return await waiting, inlet.down, aside.journal.records

    assert asyncio.run(scenario()) == (True, "", 0)
    assert redis_client.xlen(f"{PREFIX}inbox") == 2
