"""Where a proven request that can't be parsed goes: a dead letter, scrubbed, in the store or else the journal."""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from redis.exceptions import RedisError

from bridge.enrich.scrub import Scrubber
from bridge.pipeline.letters import letter_of
from bridge.ports import Request
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Letter
from bridge.store.segment import Entry
from bridge.web.aside import Aside
from bridge.web.inlet import STORE_WITHIN, Inlet

AT_A_TIME = 4
"""Letters on their way to the store; more go to the journal at once, so that no threads pile up."""
LETTER = "letter"

log = structlog.get_logger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Letter).decode


class Letterbox:
    """Keeps dead letters; never raises, for the sender is told the same in any case."""

    def __init__(self, letters: DeadLetters, scrubber: Scrubber, inlet: Inlet, aside: Aside) -> None:
        self._letters, self._scrubber = letters, scrubber
        self._inlet, self._aside = inlet, aside
        self._under_way: set[asyncio.Future[bool]] = set()

    async def keep(self, source: str, request: Request, reason: str) -> None:
        """Keep a request of a source."""
        letter = letter_of(source, request, reason, self._scrubber)
        kept = await self._store(letter)
        if kept is None:
            kept = not await self._aside.keep([Entry("", _encode(letter), LETTER)], STORE_WITHIN)
            if not kept:
                log.error("dead_letter_lost", source=source, reason=reason, why=self._aside.trouble)
                return
        log.warning("unparseable", source=source, reason=reason, dead_letter=letter.id if kept else "shed")

    async def deliver(self, entries: list[Entry]) -> int:
        """Bring letters from the journal into the store; returns how many of the first are in it."""
        for number, entry in enumerate(entries):
            try:
                letter = _decode(entry.body)
            except msgspec.DecodeError as error:  # of another version of the bridge
                log.error("dead_letter_lost", reason=f"the journal has it in a form not known here: {error}")
                continue
            if await self._store(letter) is None:
                return number
        return len(entries)

    async def _store(self, letter: Letter) -> bool | None:
        """Return whether there was room for it; None if the store did not say so in time."""
        if self._inlet.down or len(self._under_way) >= AT_A_TIME:
            return None
        write = asyncio.ensure_future(asyncio.to_thread(self._letters.put, letter))
        self._under_way.add(write)
        write.add_done_callback(self._ended)
        await asyncio.wait({write}, timeout=STORE_WITHIN)
        if not write.done() or isinstance(write.exception(), RedisError):
            return None
        return write.result()

    def _ended(self, write: asyncio.Future[bool]) -> None:
        self._under_way.discard(write)
        if not write.cancelled():
            write.exception()  # noticed: nobody may be left to ask for it
