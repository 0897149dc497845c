"""The receiver's way into the inbox: many requests share one write, and one ring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import redis.asyncio
from redis.exceptions import RedisError

from bridge.domain.alert import Alert
from bridge.store.inbox import body_of
from bridge.store.keyspace import PREFIX

AT_ONCE = 200
"""Requests written in one round trip at the most."""


class NotStored(Exception):
    """The store did not take it in time: nothing may be promised to the sender."""


class Writer:
    """Group commit: what arrives while a write is under way goes with the next one; nobody waits for a timer.

    A write that fails may have been applied in part; the sender's repetition of it is then a duplicate.
    """

    def __init__(self, client: redis.asyncio.Redis, ring: Callable[[], None], prefix: str = PREFIX) -> None:
        self._client = client
        self._ring = ring
        self._inbox, self._rung = f"{prefix}inbox", f"{prefix}rung:"
        self._waiting: list[tuple[bytes, str, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, alerts: list[Alert], trace: str) -> None:
        """Return when the alerts are in the inbox; raises NotStored."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((body_of(alerts), trace, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            error = await self._write(batch)
            for _, _, done in batch:
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(NotStored(str(error)))

    async def _write(self, batch: list[tuple[bytes, str, asyncio.Future[None]]]) -> Exception | None:
        pipe = self._client.pipeline(transaction=False)
        for body, trace, _ in batch:
            pipe.xadd(self._inbox, {"a": body, "t": trace})
        pipe.set(self._rung, "1", nx=True, px=1000)
        try:
            *_, first = await pipe.execute()
        except (TimeoutError, RedisError, OSError) as error:
            return error
        if first:
            self._ring()
        return None
