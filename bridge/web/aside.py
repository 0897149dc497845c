"""The journal for the event loop: on a thread of its own, because a disk may hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from bridge.store.journal import Journal
from bridge.store.segment import Entry

T = TypeVar("T")
CLOSE_WITHIN = 2.0
"""Seconds the disk has at the end."""

log = structlog.get_logger(__name__)


class Aside:
    """Puts entries aside in the journal: at most one write at a time, so that nothing piles up behind a dead disk."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        """For its numbers; its methods belong to the thread."""
        self.trouble = ""
        """Why the last write failed; empty if it did not."""
        self._thread = ThreadPoolExecutor(1, "journal")
        self._write: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Make the folder, and adopt what dead receivers left; raises nothing: it is tried again when it is needed."""
        try:
            await self._run(self.journal.open)
        except OSError as error:
            self._failed(error)
        await self.adopt()

    async def adopt(self) -> None:
        """Take over what dead receivers left."""
        if found := await self._run(self.journal.adopt):
            log.warning("journal_adopted", records=found, bytes=self.journal.size)

    async def keep(self, entries: Sequence[Entry], within: float) -> str:
        """Return nothing when all entries are on the disk, else why they are not; after `within` s at the latest.

        A write that is still under way then may succeed later: the sender's repetition is a duplicate.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while self._write and not self._write.done():
            await asyncio.wait({self._write}, timeout=max(until - loop.time(), 0))
            if loop.time() >= until and not self._write.done():
                return self._failed(TimeoutError("the journal's disk does not answer"))
        self._write = write = asyncio.ensure_future(self._run(partial(self.journal.append, entries)))
        write.add_done_callback(_consume)
        await asyncio.wait({write}, timeout=max(until - loop.time(), 0))
        if not write.done():
            return self._failed(TimeoutError("the journal's disk does not answer"))
        return self._ended(write)

    async def peek(self, count: int, size: int) -> list[Entry]:
        """Return the oldest entries."""
        return await self._run(partial(self.journal.peek, count, size))

    async def drop(self, count: int) -> None:
        """Forget the oldest entries: they are in the store."""
        await self._run(partial(self.journal.drop, count))

    async def close(self) -> None:
        """Let go of the folder; what is in it stays."""
        closing = asyncio.ensure_future(self._run(self.journal.close))
        await asyncio.wait({closing}, timeout=CLOSE_WITHIN)
        self._thread.shutdown(wait=False)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _ended(self, write: asyncio.Future[None]) -> str:
        if (error := write.exception()) is not None:
            return self._failed(error)
        if self.trouble:
            log.warning("journal_works_again", was=self.trouble)
        self.trouble = ""
        return ""

    def _failed(self, error: BaseException) -> str:
        if not self.trouble:
            log.error(
                "journal_unusable",
                reason=str(error),
                folder=str(self.journal.root),
                do="make room there and let the receiver write it, or set ALERT_BRIDGE_DATA",
            )
        self.trouble = str(error) or type(error).__name__
        return self.trouble


def _consume(write: asyncio.Future[None]) -> None:
    """Take notice of how a late write ended: an exception that nobody asks for is a warning."""
    if not write.cancelled():
        write.exception()
