"""The store as the receiver meets it: one write for many requests, whether it takes them, and how full it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import redis.asyncio
import structlog
from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from bridge import primary
from bridge.domain.alert import from_epoch
from bridge.settings.address import group
from bridge.store.keyspace import PREFIX, options
from bridge.store.segment import Entry

STORE_WITHIN = 0.4
"""Seconds the store has for a write before the journal takes it (Sentry hangs up after 1 s)."""

LAST_READ = 0.02
"""Seconds more, to read what has arrived."""

T = TypeVar("T")
_packed: Callable[[tuple[bytes, ...]], bytes] = pack_command  # type: ignore[assignment]  # its stub means a tuple of one
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class InboxLimit:
    """How much may wait in the inbox before senders are asked to come again."""

    entries: int = 200_000
    bytes: int = 256 << 20


def client(url: str, prefix: str = PREFIX) -> redis.asyncio.Redis:
    """Return a client whose every use needs a deadline of its own: one for the whole call, not for each read."""
    own = options(url, STORE_WITHIN) | {"socket_timeout": None, "retry": Retry(NoBackoff(), 0)}
    servers = group(url)
    if servers is None:
        return redis.asyncio.Redis.from_url(url, **own)
    return primary.async_client(servers, prefix, STORE_WITHIN, own)


class Within:
    """A time-out that does not mistake a busy event loop for a silent store.

    When it is over, what has arrived meanwhile is read first: asyncio's own would cancel before that.
    """

    def __init__(self, seconds: float) -> None:
        self._limit = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._over)

    def _over(self) -> None:
        self._limit.reschedule(self._loop.time() + LAST_READ)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(*error)


class Inlet:
    """Writes into the inbox, and knows without asking whether that makes sense now."""

    def __init__(
        self,
        store: redis.asyncio.Redis,
        ring: Callable[[], None] | tuple[bytes, ...],
        limit: InboxLimit,
        prefix: str = PREFIX,
    ) -> None:
        """`ring` rings for the inbox; or it is the call by which the store does that itself, in the same round trip."""
        self._store = store
        self._ring = None if isinstance(ring, tuple) else ring
        self.limit = limit
        self._inbox, self._probe = f"{prefix}inbox".encode(), f"{prefix}probe"
        ask = b"SET", f"{prefix}rung:".encode(), b"1", b"PX", b"1000", b"NX"
        self._ask_to_ring = _packed(ring if isinstance(ring, tuple) else ask)
        self._notes = f"{prefix}receivers"
        self.down = ""
        """Why the store takes nothing now; empty while it does."""
        self.entries = 0
        """In the inbox when it was last looked at, and what was written since."""
        self.bytes = 0
        self.now: datetime | None = None
        """The store's time at the last look; None before the first one."""
        self._was_full = False

    @property
    def full(self) -> bool:
        """Whether more waits in the inbox than may."""
        return self.entries >= self.limit.entries or self.bytes >= self.limit.bytes

    async def write(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Write to the inbox in one round trip; returns the positions of those that are not surely in it.

        When the answer does not come, they may be in it all the same: written again, they are duplicates.
        """
        calls = [_packed((b"XADD", self._inbox, b"*", b"a", body, b"t", trace.encode())) for trace, body, _ in entries]
        try:
            *answers, first = await self._within(self._exchange([*calls, self._ask_to_ring]))
        except (TimeoutError, RedisError, OSError) as error:
            self._fell(error)
            return range(len(entries))
        self.entries += len(entries)
        self.bytes += sum(map(len, calls))
        if first and self._ring:  # OK; there was no ring within the last second
            self._ring()
        refused = [i for i, answer in enumerate(answers) if isinstance(answer, Exception)]
        if refused:
            self._fell(answers[refused[0]])
        return refused

    async def look(self) -> None:
        """See how full the inbox is, and whether a store that was down takes writes again; raises nothing."""
        pipe = self._store.pipeline(transaction=False)
        pipe.xlen(self._inbox)
        pipe.memory_usage(self._inbox)
        pipe.time()
        if self.down:  # a full or read-only store answers questions all the same
            pipe.set(self._probe, "1", px=1000)
        try:
            entries, size, clock, *probed = await self._within(pipe.execute(raise_on_error=False))
        except (TimeoutError, RedisError, OSError) as error:
            self._fell(error)
            return
        self.entries = entries if isinstance(entries, int) else 0
        self.bytes = size if isinstance(size, int) else 0  # None: empty; an error: MEMORY is not allowed here
        self.now = from_epoch(clock[0] + clock[1] / 1e6) if isinstance(clock, tuple) else None
        self._tell_fullness()
        if probed and probed[0] is True:
            self._rose()
        elif probed:
            self._fell(probed[0])

    async def leave_note(self, name: str, note: bytes | None) -> None:
        """Leave a note for the workers, or take it away; raises nothing: the next one comes soon."""
        call = self._store.hdel(self._notes, name) if note is None else self._store.hset(self._notes, name, note)
        try:
            await self._within(call)
        except (TimeoutError, RedisError, OSError) as error:
            log.debug("note_lost", reason=_words(error))

    async def answers(self) -> str:
        """Return why the store does not answer, or nothing if it does."""
        try:
            await self._within(self._store.ping())
        except (TimeoutError, RedisError, OSError) as error:
            self._fell(error)
            return _words(error)
        return ""

    async def _exchange(self, calls: Sequence[bytes]) -> list[Any]:
        """Return the store's answers to packed calls, errors among them; redis-py's pipeline takes twice the time."""
        pool = self._store.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # as redis-py has it
        try:
            await connection.send_packed_command(b"".join(calls))
            return [await _answer(connection) for _ in calls]
        finally:
            await pool.release(connection)

    async def _within(self, call: Awaitable[T]) -> T:
        """Return the store's answer to a call; raises TimeoutError, RedisError or OSError."""
        try:
            async with Within(STORE_WITHIN):
                return await call
        except RuntimeError as error:
            # uvloop's word for a connection that was just reset; redis-py would keep it, to fail for ever
            await self._store.connection_pool.disconnect(inuse_connections=False)
            raise ConnectionError(str(error)) from error

    def _fell(self, error: Exception) -> None:
        if not self.down:
            log.error("store_down", reason=_words(error), now="the local journal takes what comes in")
        self.down = _words(error)

    def _rose(self) -> None:
        log.warning("store_back", was=self.down)
        self.down = ""

    def _tell_fullness(self) -> None:
        if self.full and not self._was_full:
            log.error(
                "inbox_full", entries=self.entries, bytes=self.bytes, now="senders get 503", do="see that workers run"
            )
        elif self._was_full and not self.full:
            log.warning("inbox_has_room", entries=self.entries, bytes=self.bytes)
        self._was_full = self.full


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {STORE_WITHIN:g} s"
    return str(error) or type(error).__name__
