"""Under pressure: the store dead, silent, full, read-only or loading; the inbox full; the disk of no use."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
import redis

from bridge.store import embedded
from bridge.web.inlet import STORE_WITHIN
from tests.conftest import free_port
from tests.e2e.bridge_processes import PATIENT, Processes, until
from tests.web.pressure_world import CONFIG, PROOF, Pressed

Start = Callable[..., Pressed]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a store and a receiver; `receiver` are its settings, `url` another store's address.

    It waits for the store for 0.4 s, as in production, or for so many seconds as `patience` says.
    """
    with ExitStack() as stack:

        def begin(receiver: str = "", url: str = "", patience: float = STORE_WITHIN) -> Pressed:
            bridge = Processes(
                tmp_path,
                CONFIG.format(url=url or embedded.url(tmp_path / "data"), receiver=receiver),
                {"PATIENCE": str(patience)},
            )
            stack.callback(bridge.stop)
            if not url:
                bridge.start_store()
            world = Pressed(bridge)
            stack.callback(world.client.close)
            serve(world)
            return world

        yield begin


def serve(world: Pressed) -> None:
    """Start the receiver and wait until it answers, with or without a store."""
    bridge = world.bridge
    bridge.start("receiver", [sys.executable, PATIENT, "serve", "--port", str(bridge.port)])
    until(lambda: answers(world), "the receiver answers")


def answers(world: Pressed) -> bool:
    try:
        return world.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


# --- the store can't take it -------------------------------------------------------------------------------


@contextmanager
def dead(world: Pressed) -> Iterator[None]:
    world.bridge.kill("store")
    yield
    world.bridge.start_store()


@contextmanager
def silent(world: Pressed) -> Iterator[None]:
    os.kill(world.bridge.running["store"].pid, signal.SIGSTOP)
    yield
    os.kill(world.bridge.running["store"].pid, signal.SIGCONT)


@contextmanager
def full(world: Pressed) -> Iterator[None]:
    world.command("CONFIG", "SET", "maxmemory", "1")
    yield
    world.command("CONFIG", "SET", "maxmemory", "512mb")


@contextmanager
def read_only(world: Pressed) -> Iterator[None]:
    world.command("REPLICAOF", "127.0.0.1", str(free_port()))
    yield
    world.command("REPLICAOF", "NO", "ONE")


@contextmanager
def short_of_replicas(world: Pressed) -> Iterator[None]:
    world.command("CONFIG", "SET", "min-replicas-to-write", "1")
    yield
    world.command("CONFIG", "SET", "min-replicas-to-write", "0")


@contextmanager
def loading(world: Pressed) -> Iterator[None]:
    """A store that reads a long file at its start answers -LOADING, here for a minute if it may."""
    with redis.Redis.from_url(world.bridge.redis_url) as client:
        client.mset({f"filler{number}": secrets.token_hex(300) for number in range(8000)})
        client.bgrewriteaof()
        until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the log is rewritten")
    world.bridge.kill("store")
    slow = ["--key-load-delay", "8000", "--loading-process-events-interval-bytes", "1024"]
    argv = embedded.server_argv(embedded.find_server(), world.bridge.folder / "data")
    world.bridge.start("store", [*argv, *slow])
    until(lambda: is_loading(world), "the store is loading")
    yield
    assert is_loading(world), "still"
    world.command("CONFIG", "SET", "key-load-delay", "0")
    until(lambda: embedded.ping(world.bridge.redis_url), "the store has loaded")


def is_loading(world: Pressed) -> bool:
    try:
        world.command("PING")
    except redis.exceptions.BusyLoadingError:
        return True
    except redis.RedisError:
        pass
    return False


@pytest.mark.parametrize("trouble", [dead, silent, full, read_only, short_of_replicas, loading])
def test_while_the_store_takes_nothing_everything_is_accepted_in_time_and_arrives_later(
    start: Start, trouble: Callable[[Pressed], AbstractContextManager[None]]
) -> None:
    world = start()
    world.post_many("before", 3)
    with trouble(world):
        world.post_many("during", 40)
        assert world.refused == []
        world.answered_in_time()
        assert world.metric("store_up") == 0
    world.all_arrived()
    world.post_many("after", 3)
    world.all_arrived()

    assert world.refused == []
    assert set(world.stored()) == set(world.accepted), "and nothing else"
    assert world.metric("store_up") == 1


def test_a_store_that_never_answered_from_the_start_costs_no_request_its_time(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:  # takes connections, says nothing
        world = start(url=f"redis://127.0.0.1:{hole.getsockname()[1]}/0")
        world.post_many("during", 40)

        assert world.refused == []
        world.answered_in_time()
        assert "the store does not answer" in world.get("/readyz").json()["why"]


def test_a_silent_store_is_waited_for_once_and_not_by_every_request(start: Start) -> None:
    world = start(patience=3)
    with silent(world):
        world.post("the first one notices")
        began = time.monotonic()
        for number in range(20):
            world.post(f"next{number}")
        assert time.monotonic() - began < 20 * 3 / 2, "each would have waited 3 s"


def test_nothing_piles_up_in_threads_while_the_store_is_silent(start: Start) -> None:
    world = start()
    with silent(world):
        world.post_many("during", 300, at_once=50)
        for _ in range(30):
            refused = world.client.post(f"{world.bridge.url}/hooks/alertmanager", content=b"{}", headers=PROOF)
            assert refused.status_code == 400
        assert threads(world.bridge.running["receiver"].pid) < 24
    world.all_arrived()
    keys = world.keyspace()
    with keys.client:
        until(lambda: keys.client.hlen(keys.key("dead")) == 1, "what could not be parsed is a dead letter")


def threads(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("threads are counted in /proc")
    return int(status.read_text().partition("Threads:")[2].split()[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_a_receiver_killed_while_it_journals_loses_nothing_it_answered(start: Start, seed: int) -> None:
    world = start()
    world.bridge.kill("store")
    for life in range(3):
        stream = threading.Thread(target=post_until_killed, args=(world, f"life{life}-"))
        accepted = len(world.accepted)
        stream.start()
        until(partial(more, world.accepted, accepted + 10 * seed), "some are accepted")
        world.bridge.kill("receiver")
        stream.join()
        serve(world)
    world.bridge.start_store()
    world.all_arrived()

    assert len(world.accepted) > 30 * seed
    assert "journal_adopted" in world.bridge.log("receiver")


def more(names: list[str], least: int) -> bool:
    return len(names) > least


def post_until_killed(world: Pressed, prefix: str) -> None:
    def post(one: int) -> None:
        try:
            for number in range(10_000):
                world.post(f"{prefix}{one}-{number}")
        except httpx.HTTPError:
            pass

    senders = [threading.Thread(target=post, args=(one,)) for one in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


# --- the journal can't take it either ----------------------------------------------------------------------


def test_when_neither_store_nor_journal_takes_it_senders_are_asked_to_come_again(start: Start) -> None:
    world = start()
    world.bridge.kill("store")
    world.post("accepted")
    (folder,) = world.journal.iterdir()
    world.bridge.kill("receiver", signal.SIGTERM)
    aside = folder.rename(world.journal.parent / "aside")
    world.journal.rmdir()
    world.journal.write_text("in the way")  # as root, nothing is read-only
    serve(world)

    answer = world.post("refused")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json() == {"error": "it can't be kept right now"}
    journal = world.full()["journal"]
    assert (journal["usable"], journal["why"]) == (False, "the receiver's log has the reason (journal_unusable)")
    world.answered_in_time()

    world.journal.unlink()
    assert world.post("accepted again").status_code == 202, "without a restart"
    aside.rename(world.journal / folder.name)
    world.bridge.kill("receiver", signal.SIGTERM)
    serve(world)
    world.bridge.start_store()
    world.all_arrived()
    assert set(world.stored()) == {"accepted", "accepted again"}


def test_a_full_journal_refuses_and_takes_again_once_it_is_replayed(start: Start) -> None:
    world = start("journal: {max_size: 1MiB}")
    with dead(world):
        for number in range(1000):
            if world.post(f"{number}", padding=3900).status_code == 503:
                break
        assert world.refused
        assert len(world.accepted) > 100
        assert world.metric('shed_total{by="journal"}') == 1
        assert world.metric("journal_records") == len(world.accepted)
        assert 0 < world.metric("journal_bytes") <= 1 << 20
    world.all_arrived()

    assert set(world.stored()) == set(world.accepted), "what was refused does not arrive"
    assert world.metric("journal_records") == 0
    with dead(world):
        assert world.post("again").status_code == 202


# --- the inbox is full -------------------------------------------------------------------------------------


def test_an_inbox_over_its_limit_sheds_and_takes_again_when_workers_made_room(start: Start) -> None:
    world = start("inbox_limit: {entries: 5}", patience=30)
    for number in range(8):
        world.post(f"{number}")
    assert (len(world.accepted), len(world.refused)) == (5, 3)
    assert world.metric('shed_total{by="inbox"}') == 3
    assert world.metric("inbox_full") == 1
    assert world.full()["inbox"]["full"] is True
    until(lambda: '"inbox_full"' in world.bridge.log("receiver"), "the log says so")
    assert set(world.stored()) == set(world.accepted), "nothing is dropped"

    assert world.take() == 5
    until(lambda: world.metric("inbox_full") == 0, "there is room")
    assert world.post("again").status_code == 202


def test_an_inbox_over_its_limit_of_bytes_sheds(start: Start) -> None:
    world = start("inbox_limit: {bytes: 1MiB}", patience=30)
    for number in range(1000):
        if world.post(f"{number}", padding=3900).status_code == 503:
            break

    assert world.refused
    assert len(world.accepted) > 100


def test_the_journal_waits_while_the_inbox_is_full(start: Start) -> None:
    world = start("inbox_limit: {entries: 5}")
    with dead(world):
        world.post_many("during", 12)
    until(lambda: len(world.stored()) >= 5, "the first are replayed")
    until(lambda: world.metric("inbox_full") == 1, "the inbox is full")
    taken = 0
    while taken < 12:
        until(lambda: bool(world.stored()), "more is replayed")
        taken += world.take()
    until(lambda: not list(world.journal.rglob("*.seg")), "the journal is empty")


# --- ending ------------------------------------------------------------------------------------------------


def test_draining_it_says_so_and_still_takes_requests_until_it_ends(start: Start) -> None:
    world = start("drain: 5s", patience=30)
    receiver = world.bridge.running["receiver"]
    receiver.send_signal(signal.SIGTERM)
    until(lambda: world.get("/readyz").status_code == 503, "not ready")

    assert world.get("/readyz").json() == {"ready": False, "why": "draining"}
    assert world.post("still accepted").status_code == 202
    assert world.full()["store"]["takes_writes"] is True
    assert ended(world) in (0, -signal.SIGTERM)
    assert set(world.stored()) == {"still accepted"}
    assert list(world.journal.iterdir()) == [], "an empty journal leaves nothing behind"


def test_a_request_under_way_at_the_end_is_finished(start: Start) -> None:
    world = start(patience=30)
    receiver = world.bridge.running["receiver"]

    body = b'{"version": "4", "status": "firing", "receiver": "bridge", "alerts": ['
    body += b'{"status": "firing", "labels": {"alertname": "Slow"}, "startsAt": "2026-01-01T00:00:00Z"}]}'
    with closing(HTTPConnection("127.0.0.1", world.bridge.port, timeout=60)) as sender:
        sender.putrequest("POST", "/hooks/alertmanager")
        for name, value in {**PROOF, "content-length": str(len(body)), "expect": "100-continue"}.items():
            sender.putheader(name, value)
        sender.endheaders(body[:20])
        assert sender.sock.recv(100).startswith(b"HTTP/1.1 100 "), "it is being read"
        receiver.send_signal(signal.SIGTERM)
        until(lambda: not answers(world), "new connections are refused")
        sender.send(body[20:])
        assert sender.getresponse().status == 202
    ended(world)
    assert set(world.stored()) == {"Slow"}


def ended(world: Pressed) -> int:
    """Wait for the receiver's end."""
    code = world.bridge.running["receiver"].wait(60)
    del world.bridge.running["receiver"]
    return code


# --- what it says of itself --------------------------------------------------------------------------------


def test_readyz_full_states_durability_journal_and_inbox(start: Start) -> None:
    world = start(patience=30)
    world.command("SET", "{ab}:swept", str(int(time.time() * 1000)))
    world.post("one")
    found = world.full()

    age = found["store"].pop("sweep_age_seconds")
    assert isinstance(age, float)
    assert 0 <= age < 60
    assert found["store"] == {"answers": True, "takes_writes": True, "durability": "fsync always"}
    assert found["journal"] == {"usable": True, "why": "", "records": 0, "bytes": 0, "max_bytes": 256 << 20}
    assert found["inbox"]["entries"] == 1
    assert found["inbox"]["full"] is False


DURABLE = (
    (("appendfsync", "everysec"), "up to 1 s"),
    (("appendfsync", "no"), "up to 30 s"),
    (("appendonly", "no"), "none"),
)


def test_readyz_full_states_the_durability_in_force_or_unknown_when_config_is_not_allowed(start: Start) -> None:
    world = start()
    for setting, words in DURABLE:
        world.command("CONFIG", "SET", *setting)
        assert world.full()["store"]["durability"] == words

    world.command("ACL", "SETUSER", "default", "-config")
    assert world.full()["store"]["durability"] == "unknown"
    assert world.post("one").status_code == 202


def test_readyz_full_shows_the_backlog_while_the_store_is_gone(start: Start) -> None:
    world = start()
    world.bridge.kill("store")
    world.post_many("during", 7)
    assert world.refused == []
    answer = world.get("/readyz?full")

    assert answer.status_code == 503
    found = answer.json()
    assert found["store"] == {
        "answers": False,
        "takes_writes": False,
        "durability": "unknown",
        "sweep_age_seconds": None,
    }
    assert found["journal"]["records"] == 7
