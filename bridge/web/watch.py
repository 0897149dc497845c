"""The receiver's look at the store, again and again: is it back, how full is it; and the journal goes to it."""

from __future__ import annotations

import asyncio
from itertools import takewhile

import structlog

from bridge.web.aside import Aside
from bridge.web.inlet import Inlet
from bridge.web.letterbox import Letterbox
from bridge.web.notice import Notice
from bridge.web.writer import AT_ONCE, BYTES_AT_ONCE

UP, DOWN = 1.0, 0.25
"""Seconds between looks at a store that takes writes, and at one that does not."""
ORPHANS = 30
"""Looks at a store that is up between searches for what dead receivers left."""

log = structlog.get_logger(__name__)


class Watch:
    """Replays the journal, oldest first, whenever the store takes writes; live requests go on beside it."""

    def __init__(self, inlet: Inlet, aside: Aside, letterbox: Letterbox, notice: Notice) -> None:
        self._inlet, self._aside, self._letterbox, self._notice = inlet, aside, letterbox, notice
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; a look that fails in a way nobody foresaw is reported, and does not end the looking."""
        self._task = asyncio.get_running_loop().create_task(self._look())
        self._task.add_done_callback(self._go_on)

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.remove_done_callback(self._go_on)
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._notice.take_away()

    def _go_on(self, ended: asyncio.Task[None]) -> None:
        if not ended.cancelled():
            log.error("watch_failed", error=repr(ended.exception()), now="it begins anew")
            asyncio.get_running_loop().call_later(UP, self.start)

    async def _look(self) -> None:
        looks = 0
        while True:
            await self._inlet.look()
            if not self._inlet.down:
                looks += 1
                if looks % ORPHANS == 0:
                    await self._aside.adopt()
                await self._replay()
                await self._notice.leave()
            await asyncio.sleep(DOWN if self._inlet.down else UP)

    async def _replay(self) -> None:
        replayed = 0
        while self._aside.journal.pending and not self._inlet.down and not self._inlet.full:
            entries = await self._aside.peek(AT_ONCE, BYTES_AT_ONCE)
            kind = entries[0].kind if entries else ""
            alike = list(takewhile(lambda entry: entry.kind == kind, entries))  # noqa: B023 - used up at once
            if kind:
                done = await self._letterbox.deliver(alike)
            else:
                done = next(iter(await self._inlet.write(alike)), len(alike)) if alike else 0
            await self._aside.drop(done)
            replayed += done
            if done < len(alike) or not alike:
                break
        if replayed:
            log.warning("journal_replayed", records=replayed, left=self._aside.journal.records)
