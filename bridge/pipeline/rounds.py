"""The checks' round: takes the runs that are due, looks at their targets all at once, says what is worth saying."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from bridge import selfreport
from bridge.domain.observation import Observation
from bridge.pipeline.check_alert import Scrubbers, farewell
from bridge.pipeline.checkups import Watched, looked, settlement
from bridge.pipeline.parts import Bell
from bridge.store.checks import Checks, Settled, Taken, known

PAUSED = timedelta(seconds=10)
"""A run that took so much longer than it may says that this worker was paused, and nothing of its target."""
AT_ONCE = 500
"""Runs under way in one worker process; it takes no more than it has room for."""
BATCH = 50
"""Runs begun at once: after a pause many are due, and to begin all of them would make their targets look slow."""
ENROLL_EVERY = 20.0
"""Seconds between two times that a worker says which checks it has."""
LONGEST_WAIT, SHORTEST_WAIT = 1.0, 0.005
"""Seconds between two looks for what is due; also after the store did not answer."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Rounds:
    """Runs checks on an event loop of its own until it is stopped; any number of workers may do so.

    The store is asked in a thread, so that a silent one delays no look. A run that is under way when it stops, or whose
    worker dies, is lost; the next slot is taken elsewhere.
    """

    def __init__(self, store: Checks, watched: Iterable[Watched], scrubbers: Scrubbers, bell: Bell) -> None:
        self._store, self._scrubbers, self._bell = store, scrubbers, bell
        self._watched = {one.name: one for one in watched}
        self._tables = {name: one.table for name, one in self._watched.items()}
        self._under_way: set[asyncio.Task[None]] = set()
        self._ringing: Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._enroll_at = 0.0
        self._store_silent = False
        self._stopping = False

    def run(self) -> None:
        """Run checks until `stop` is called; returns at once if there are none, neither here nor left in the store."""
        with ThreadPoolExecutor(2, "checks-store") as self._asking, ThreadPoolExecutor(1, "checks-bell") as self._bells:
            asyncio.run(self._rounds())

    def stop(self) -> None:
        """End soon; to be called from any thread. Runs under way are abandoned."""
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed already
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _rounds(self) -> None:
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not self._stopping:
            wait = await self._turn()
            if wait is None:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            self._wake.clear()

    async def _turn(self) -> float | None:
        """Take what is due; returns seconds until the next look, or None if there is nothing to look for any more."""
        try:
            if time.monotonic() >= self._enroll_at:
                await self._ask(self._enroll)
                self._enroll_at = time.monotonic() + ENROLL_EVERY
            if not self._watched:
                return ENROLL_EVERY if await self._ask(self._store.any) else None
            wait = await self._take()
        except RedisError as error:
            self._pause(error)
            return LONGEST_WAIT
        if self._store_silent:
            self._store_silent = False
            log.info("checks_resumed")
        return wait

    def _pause(self, error: RedisError) -> None:
        if not self._store_silent:
            log.warning("checks_paused", error=str(error), do="nothing: they go on when the store answers")
        self._store_silent = True

    async def _take(self) -> float:
        room = AT_ONCE - len(self._under_way)
        names, wait = await self._ask(lambda: self._store.due(2 * AT_ONCE))
        mine = [self._tables[name] for name in names if name in self._tables]
        now = mine[: max(0, min(room, BATCH))]
        for run in await self._ask(lambda: self._store.take(now)) if now else ():
            self._begin(run)
        if len(mine) > len(now):  # without room, a run that ends wakes it
            return SHORTEST_WAIT if room > len(now) else LONGEST_WAIT
        return LONGEST_WAIT if wait is None else min(max(wait.total_seconds(), SHORTEST_WAIT), LONGEST_WAIT)

    def _begin(self, run: Taken) -> None:
        task = asyncio.create_task(self._one(self._watched[run.name], run))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if len(self._under_way) >= AT_ONCE:
            self._wake.set()
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, RedisError):
            self._pause(error)
        elif error is not None:
            log.error(
                "check_broken", error=repr(error), do="report it: this is a mistake in the bridge", exc_info=error
            )
            selfreport.tell(error)

    async def _one(self, watched: Watched, run: Taken) -> None:
        began = time.monotonic()
        seen = await looked(watched, run.at, secrets.token_hex(16))
        if time.monotonic() - began > (watched.plan.within + PAUSED).total_seconds():
            log.warning("check_superseded", check=run.name, do="nothing: this worker was paused; the next run is soon")
            return
        await self._ask(lambda: self._settle(watched, run, seen))

    def _settle(self, watched: Watched, run: Taken, seen: Observation) -> None:
        if self._store_silent:
            return  # what it saw is lost: a queue of these must not keep the next question waiting
        settled = settlement(watched, run, seen, self._scrubbers)
        noted, rings = self._store.settle(run, settled)
        if rings:
            self._ring()
        _tell(run, settled, noted=noted)

    def _enroll(self) -> None:
        """Say which checks this worker has, and end what none has any more."""
        now, gone = self._store.enroll(self._tables.values())
        for name, record in gone:
            said = farewell(name, now) if known(record).down else None
            if self._store.retire(name, record, said):
                log.info("check_removed", check=name)
        if gone:
            self._ring()

    def _ring(self) -> None:
        """Ring for the inbox; while a broker that does not answer holds up a ring, others are left to the sweep."""
        if self._ringing is None or self._ringing.done():
            self._ringing = self._bells.submit(self._bell.ingest)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._asking, question)


def _tell(run: Taken, settled: Settled, *, noted: bool) -> None:
    seen, said = settled.record.last, settled.said
    fields = {
        "check": run.name,
        "fault": seen.fault if seen else None,
        "took_ms": round(seen.took.total_seconds() * 1000) if seen else None,
        "trace_id": seen.trace_id if seen else None,
    }
    if not noted:
        log.warning("check_superseded", **fields, do="nothing: this worker was paused, and another one ran it since")
    elif said is not None and not settled.repeats:
        log.info("check_up" if not settled.record.down else "check_down", **fields, reason=said.summary)
    else:
        log.debug("checked", **fields)
