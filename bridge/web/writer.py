"""The receiver's way to a promise: many requests share one write to the store, or else to the journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from bridge.domain.alert import Alert
from bridge.domain.ping import Ping
from bridge.store.inbox import body_of
from bridge.store.segment import Entry
from bridge.web.aside import Aside
from bridge.web.inlet import STORE_WITHIN, Inlet

AT_ONCE, BYTES_AT_ONCE = 200, 4 << 20
"""Requests, and bytes, written to the store in one round trip at the most; a larger one goes alone."""
ASIDE, BYTES_ASIDE = 10_000, 16 << 20
"""The same for one write to the journal."""
WAITING, BYTES_WAITING = 10_000, 64 << 20
"""Requests, and bytes, that may wait for their write; more are asked to come again."""
ANSWER_WITHIN = 0.85
"""Seconds from a request's arrival here to its answer, whatever happens (Sentry hangs up after 1 s)."""


class NotStored(Exception):
    """It could be kept nowhere: nothing may be promised to the sender."""


Told = Callable[[NotStored | None], None]
"""Called once, with None when it is kept; raises nothing and does little: others wait for the same."""


class _Waiting(NamedTuple):
    entry: Entry
    told: Told
    since: float


class Writer:
    """Group commit: what arrives while a write is under way goes with the next one; nobody waits for a timer.

    A write that fails may have been applied in part; the sender's repetition of it is then a duplicate.
    """

    def __init__(self, inlet: Inlet, aside: Aside) -> None:
        self._inlet, self._aside = inlet, aside
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self.shed: Counter[str] = Counter()
        """Requests that were refused, by what was full: "inbox", "waiting" or "journal"."""

    async def put(self, alerts: Sequence[Alert], trace: str, pings: Sequence[Ping] = ()) -> None:
        """Return when what a request said is in the inbox, or in the journal; raises NotStored."""
        done = asyncio.get_running_loop().create_future()
        self.hand(alerts, trace, pings, partial(_resolve, done))
        await done

    def hand(self, alerts: Sequence[Alert], trace: str, pings: Sequence[Ping], told: Told) -> None:
        """Have what a request said written; `told` is called when it is in the inbox, or in the journal, or nowhere."""
        entry = Entry(trace, body_of(alerts, pings))
        if why := self._refused(len(entry.body)):
            told(NotStored(why))
            return
        loop = asyncio.get_running_loop()
        self._waiting.append(_Waiting(entry, told, loop.time()))
        self._bytes += len(entry.body)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._flush())

    def _refused(self, size: int) -> str:
        """Return why no more can be taken in now, or nothing."""
        if self._inlet.full and not self._inlet.down:
            self.shed["inbox"] += 1
            return "the inbox is over its limit (receiver.inbox_limit): see that workers run"
        if self._waiting and (len(self._waiting) >= WAITING or self._bytes + size > BYTES_WAITING):
            self.shed["waiting"] += 1
            return "too many requests wait to be written"
        return ""

    async def close(self) -> None:
        """Wait for what is still being written."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=2 * ANSWER_WITHIN)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        wrote = False
        while self._waiting:
            stale = wrote and loop.time() - self._waiting[0].since > STORE_WITHIN
            wrote = True
            past = stale or self._inlet.down
            batch = self._next(ASIDE, BYTES_ASIDE) if past else self._next(AT_ONCE, BYTES_AT_ONCE)
            left = batch
            try:
                if not past:
                    left = await self._store(batch)
                if left:
                    await self._set_aside(left, loop.time())
                left = []
            finally:
                _tell(left, NotStored("the receiver was interrupted"))

    def _next(self, count: int, size: int) -> list[_Waiting]:
        if len(self._waiting) <= count and self._bytes <= size:
            batch, self._waiting, self._bytes = self._waiting, [], 0
            return batch
        taken = total = 0
        for waiting in self._waiting[:count]:
            total += len(waiting.entry.body)
            if taken and total > size:
                total -= len(waiting.entry.body)
                break
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._bytes -= total
        return batch

    async def _store(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Write to the store, and answer those whose entry is in it; returns the others."""
        refused = await self._inlet.write([waiting.entry for waiting in batch])
        if not refused:
            _tell(batch)
            return []
        left = [batch[i] for i in refused]
        kept = set(range(len(batch))).difference(refused)
        _tell([batch[i] for i in sorted(kept)])
        return left

    async def _set_aside(self, batch: list[_Waiting], now: float) -> None:
        within = max(batch[0].since + ANSWER_WITHIN - now, 0)
        why = await self._aside.keep([waiting.entry for waiting in batch], within)
        if why:
            self.shed["journal"] += len(batch)
            down = self._inlet.down or "the store is slow"
            _tell(batch, NotStored(f"neither the store takes it ({down}) nor the journal ({why})"))
        else:
            _tell(batch)


def _tell(batch: Sequence[_Waiting], error: NotStored | None = None) -> None:
    for waiting in batch:
        waiting.told(error)


def _resolve(done: asyncio.Future[None], error: NotStored | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
