"""GET /readyz, and /readyz?full for people: durability, journal, inbox, sweep, and the bridge itself.

Anybody may ask, so errors are not shown as they are: they may hold addresses, user names and paths. The log has them.
"""

from __future__ import annotations

import asyncio
import time

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.store.examine import Durability, durability
from bridge.store.keyspace import Keyspace
from bridge.web.aside import Aside
from bridge.web.drain import Drain
from bridge.web.inlet import Inlet
from bridge.web.wellbeing import Wellbeing

_NOTHING: tuple[Durability, float | None, dict[str, object]] = (Durability.UNKNOWN, None, {})
IN_THE_LOG = "the receiver's log has the reason"


class Readiness:
    """Answers 200 while the store takes writes and the receiver is not about to end, else 503 with the reason."""

    def __init__(self, keyspace: Keyspace, inlet: Inlet, aside: Aside, drain: Drain, wellbeing: Wellbeing) -> None:
        self._keys, self._inlet, self._aside, self._drain = keyspace, inlet, aside, drain
        self._wellbeing = wellbeing

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        why = await self._why_not()
        answer: dict[str, object] = {"ready": not why, "why": why} if why else {"ready": True}
        if "full" in request.query_params:
            answer |= await self._details()
        return JSONResponse(answer, 503 if why else 200)

    async def _why_not(self) -> str:
        if self._drain.begun:
            return "draining"
        if await self._inlet.answers():
            return f"the store does not answer: {IN_THE_LOG} (store_down)"
        return f"the store takes no writes: {IN_THE_LOG} (store_down)" if self._inlet.down else ""

    async def _details(self) -> dict[str, object]:
        journal, limit = self._aside.journal, self._inlet.limit
        silent = await self._inlet.answers()
        lasting, age, well = _NOTHING if silent else await asyncio.to_thread(self._of_store)
        return {
            "store": {
                "answers": not silent,
                "takes_writes": not self._inlet.down,
                "durability": lasting,
                "sweep_age_seconds": age,
            },
            "journal": {
                "usable": not self._aside.trouble,
                "why": f"{IN_THE_LOG} (journal_unusable)" if self._aside.trouble else "",
                "records": journal.records,
                "bytes": journal.size,
                "max_bytes": journal.max_size,
            },
            "inbox": {
                "entries": self._inlet.entries,
                "bytes": self._inlet.bytes,
                "max_entries": limit.entries,
                "max_bytes": limit.bytes,
                "full": self._inlet.full,
            },
            "bridge": well,
        }

    def _of_store(self) -> tuple[Durability, float | None, dict[str, object]]:
        try:
            swept = self._keys.client.get(self._keys.key("swept"))
            age = max(time.time() - int(swept) / 1000, 0.0) if isinstance(swept, bytes) else None
            return durability(self._keys), age, self._wellbeing.details()
        except RedisError:
            return _NOTHING
