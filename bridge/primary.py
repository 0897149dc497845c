"""The one server that takes writes, among several: found by asking, and found again when it has changed.

All of a bridge's keys carry one hash tag, so in a Cluster, too, one server has them all. What a client needs is the
address of that one: Sentinels know it, and every node of a Cluster does.
https://redis.io/docs/latest/develop/reference/sentinel-clients/
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ (MOVED)
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import redis.asyncio
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry

from bridge.settings.address import SENTINEL, Group

ELSEWHERE = (ReadOnlyError, AskError, ClusterDownError, TryAgainError)
"""What a server answers that is not, or not now, the one to write to; MOVED is a kind of ASK here."""


def elsewhere(error: ResponseError) -> bool:
    """Return whether an answer means that another server is to be asked."""
    return isinstance(error, ELSEWHERE) or str(error).startswith("UNBLOCKED")  # a primary became a replica


def server_options(group: Group) -> dict[str, Any]:
    """Return user, password, database and TLS as redis-py names them."""
    given = parse_url(group.url)  # type: ignore[no-untyped-call]  # as redis-py has it
    return {key: value for key, value in given.items() if key not in ("host", "port", "connection_class")}


def tls(group: Group) -> bool:
    """Return whether connections are to be encrypted."""
    return group.url.startswith("rediss:")


class Finder:
    """Asks who takes writes; one that did not answer is asked last from then on."""

    def __init__(self, group: Group, key: str, timeout: float) -> None:
        self._group = group
        self._hosts = list(group.hosts)
        self._key = key
        self._within = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        self.found: tuple[str, int] | None = None
        """Who it was when it was last asked: connections to another one are left when they are next taken up."""

    def __call__(self) -> tuple[str, int]:
        """Return host and port; raises ConnectionError when nobody knows, after `timeout` for each asked."""
        problems = []
        for host in tuple(self._hosts):
            try:
                self.found = found = self._ask(*host)
            except (RedisError, OSError) as error:
                problems.append(f"{host[0]}:{host[1]}: {error}")
                with suppress(ValueError):  # another thread is just doing the same
                    self._hosts.remove(host)
                    self._hosts.append(host)
            else:
                return found
        raise NoConnection(f"no {self._group.kind} knows who takes writes ({'; '.join(problems)})")

    def _ask(self, host: str, port: int) -> tuple[str, int]:
        return self._ask_sentinel(host, port) if self._group.kind == SENTINEL else self._ask_node(host, port)

    def _ask_sentinel(self, host: str, port: int) -> tuple[str, int]:
        own = server_options(self._group)
        unlike = {key: value for key, value in own.items() if key not in ("username", "password", "db")}
        with self._client(host, port, unlike | self._group.login) as sentinel:
            found = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._group.service)
        if not found:
            raise NoConnection(f"knows no service {self._group.service}")
        address, number = (_text(part) for part in found)
        self._check_role(address, int(number), own)
        return address, int(number)

    def _check_role(self, host: str, port: int, own: dict[str, Any]) -> None:
        """Raise ConnectionError if the server is a replica: a Sentinel that was cut off may be behind."""
        with self._client(host, port, own) as server, suppress(ResponseError):  # ROLE may be forbidden to this user
            role = _text(server.execute_command("ROLE")[0])
            if role != "master":
                raise NoConnection(f"{host}:{port} is a replica still")

    def _ask_node(self, host: str, port: int) -> tuple[str, int]:
        """Return who has the key; every node knows, and says so with MOVED when it is another."""
        with self._client(host, port, server_options(self._group)) as node:
            try:
                node.exists(self._key)
            except MovedError as moved:
                return moved.host or host, moved.port
        return host, port

    def _client(self, host: str, port: int, own: dict[str, Any]) -> redis.Redis:
        kind = SSLConnection if tls(self._group) else Connection
        pool = redis.ConnectionPool(
            connection_class=kind, host=host, port=port, retry=Retry(NoBackoff(), 0), **(own | self._within)
        )
        return redis.Redis.from_pool(pool)


def _text(part: bytes | str) -> str:
    return part.decode() if isinstance(part, bytes) else part


class Moving(Connection):
    """A connection that asks where to connect to, and breaks off when the server says it is the wrong one."""

    def __init__(self, *, find: Finder, **options: Any) -> None:
        self._find = find
        super().__init__(**options)  # type: ignore[no-untyped-call]  # as redis-py has it

    def connect(self) -> None:
        """Connect, if that is not done; the pool says so to each connection that it lends."""
        if (self.host, self.port) != self._find.found:
            self.disconnect()  # type: ignore[no-untyped-call]  # as redis-py has it
        super().connect()  # type: ignore[no-untyped-call]  # as redis-py has it

    def _connect(self) -> Any:
        self.host, self.port = self._find()
        return super()._connect()  # type: ignore[no-untyped-call]  # as redis-py has it

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Return an answer; raises ConnectionError when it is that of a server which is not the primary."""
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if not elsewhere(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]  # as redis-py has it
            raise NoConnection(f"{self.host}:{self.port} is not the primary: {error}") from error


class MovingTLS(Moving, SSLConnection):
    """The same, encrypted."""


class AsyncMoving(AsyncConnection):
    """The same on an event loop; the asking is done in a thread."""

    def __init__(self, *, find: Finder, **options: Any) -> None:
        self._find = find
        super().__init__(**options)

    async def connect(self) -> None:
        """Connect, if that is not done; the pool says so to each connection that it lends."""
        if self.is_connected and (self.host, self.port) != self._find.found:
            await self.disconnect(nowait=True)
        await super().connect()  # type: ignore[no-untyped-call]  # as redis-py has it

    async def _connect(self) -> None:
        self.host, self.port = await asyncio.to_thread(self._find)
        await super()._connect()  # type: ignore[no-untyped-call]  # as redis-py has it

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Return an answer; raises ConnectionError when it is that of a server which is not the primary."""
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if not elsewhere(error):
                raise
            await self.disconnect(nowait=True)
            raise NoConnection(f"{self.host}:{self.port} is not the primary: {error}") from error


class AsyncMovingTLS(AsyncMoving, AsyncSSLConnection):
    """The same, encrypted."""


def client(group: Group, key: str, timeout: float, options: dict[str, Any]) -> redis.Redis:
    """Return a client of whichever server takes writes of a key; `timeout` seconds are there to find it."""
    kind = MovingTLS if tls(group) else Moving
    own: dict[str, Any] = {"find": Finder(group, key, timeout / 2), **server_options(group), **options}
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, **own))


def async_client(group: Group, key: str, timeout: float, options: dict[str, Any]) -> redis.asyncio.Redis:
    """Return the same for an event loop."""
    kind = AsyncMovingTLS if tls(group) else AsyncMoving
    own: dict[str, Any] = {"find": Finder(group, key, timeout / 2), **server_options(group), **options}
    return redis.asyncio.Redis.from_pool(redis.asyncio.ConnectionPool(connection_class=kind, **own))
