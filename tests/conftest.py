"""What many tests need: a real store and a free port."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from itertools import cycle

import httpx
import pytest
import redis
from hypothesis import HealthCheck, settings

from bridge.store import embedded

# Tests start many processes: what they import is compiled once, not by each of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says more of the machine than of the bridge; what has to be quick is measured by its test.
# Nor do tests fail because examples were slow to make, or many of them unfit, in one run of many.
SPARED = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
settings.register_profile("busy", deadline=None, suppress_health_check=SPARED)
settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def authorities() -> Iterator[None]:
    """Has httpx read its list of authorities once, not for every client: that takes 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real store of this test process's own, durable as in production; its address for redis-py."""
    data = tmp_path_factory.mktemp("data")
    server = subprocess.Popen(
        embedded.server_argv(embedded.find_server(), data), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert embedded.ping(embedded.url(data), timedelta(seconds=60)), "the store did not start"
        yield embedded.url(data)
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="session")
def as_started(store: str) -> dict[str, str]:
    """The store's settings that tests change."""
    with redis.Redis.from_url(store) as client:
        return settings_of(client)


def settings_of(client: redis.Redis) -> dict[str, str]:
    """Return a store's settings that tests change."""
    found: dict[str, str] = client.config_get("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
    return found


@pytest.fixture
def redis_client(store: str, as_started: dict[str, str]) -> Iterator[redis.Redis]:
    """A client of an emptied store; what a test sets there is put back for the next one."""
    with redis.Redis.from_url(store) as client:
        client.flushall()
        yield client
        now = settings_of(client)
        for name in now:
            if now[name] != as_started[name]:
                client.config_set(name, as_started[name])


def _ports() -> Iterator[int]:
    """Yield ports below those from which systems take one for a connection or for who asks for any (32768 and up).

    One of those could be taken by anybody between its choice and its use. Each process of a run has its own.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = range(20_000 + number % 6 * 2_000, 22_000 + number % 6 * 2_000)
    begin = secrets.randbelow(len(own))  # another run on this machine begins elsewhere
    return cycle([*own[begin:], *own[:begin]])


_own_ports = _ports()


def free_port() -> int:
    """Return a TCP port on the loopback that nothing listens on now, and that is given to nobody else."""
    for port in _own_ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("it goes round and round")
