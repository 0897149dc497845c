"""POST /hooks/{name}: prove, parse, store, answer."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import structlog

from bridge import logs
from bridge.domain.words import clip
from bridge.enrich.scrub import Scrubber
from bridge.pipeline.receive import receive as prove_and_parse
from bridge.ports import Handshake, Ignored, Parsed, Request, Source, Unparseable, Unverified
from bridge.web.answer import Answer, rendered
from bridge.web.body import Broken, Crowded, Message, Receive, Room, TooLarge, read
from bridge.web.life import Life
from bridge.web.visit import Visit, headers_of
from bridge.web.writer import NotStored, Writer

Send = Callable[[Message], Awaitable[None]]

IN_THE_LOOP = 256 << 10
"""Bytes of the largest body that is parsed in the event loop; a larger one must not hold up the others."""
ASKING = 2
"""Requests that may wait on the network for their proof at a time, so that forgeries don't take all threads."""
ASK_WITHIN = 4.0
"""Seconds the others wait for their turn before their senders are asked to come again."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = re.compile(r"[0-9A-Za-z_.:-]{1,64}")

_NOT_STORED: Answer = (503, {"error": "it can't be kept right now"})

log = structlog.get_logger(__name__)


class _Taken(NamedTuple):
    """A request that was taken at once and waits to be stored."""

    visit: Visit
    name: str
    alerts: int
    trace: str

    def line(self) -> dict[str, object]:
        """Return what is logged of it once it is stored."""
        return {"source": self.name, "status": 202, "trace_id": self.trace, "accepted": self.alerts}


class Hooks:
    """The ASGI application mounted at /hooks; raw ASGI because nothing of a framework is needed here."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        scrubber: Scrubber,
        writer: Writer,
        keep: Callable[[str, Request, str], Awaitable[None]],
        max_body: int,
        life: Life | None = None,
    ) -> None:
        self._sources = sources
        self._scrubber = scrubber
        self._writer = writer
        self._keep = keep
        self._max_body = max_body
        self._life = life or Life(())
        self._room = Room()
        self._asking = asyncio.Semaphore(ASKING)
        self._decided: list[tuple[_Taken, NotStored | None]] = []
        self.answers: Counter[tuple[str, int]] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name, secret = _target(scope["path"])
        headers = headers_of(scope["headers"])
        trace = trace_of(headers)
        answer = await self._answer(scope["method"], name, secret, headers, receive, trace)
        self._say(name, answer, trace)
        status, given, body = rendered(answer, trace)
        await send({"type": "http.response.start", "status": status, "headers": given})
        await send({"type": "http.response.body", "body": body})

    def at_once(self, path: str, headers: dict[str, str], body: bytes, visit: Visit) -> bool:
        """Take a whole request that brings alerts, and answer it when they are stored; nine of ten are like that.

        Returns False for every other one: it comes again through `__call__`, which tells what is wrong with it.
        """
        name, secret = _target(path)
        source = self._sources.get(name)
        if source is None or len(body) > self._max_body:
            return False
        request = Request(headers=headers, body=body, received_at=datetime.now(UTC), path_secret=secret)
        try:
            parsed = None if source.needs_io(request) else prove_and_parse(source, self._scrubber, request)
            if not isinstance(parsed, list):
                return False
            taken = _Taken(visit, name, len(parsed), trace_of(headers))
            self._writer.hand(parsed, taken.trace, self._life.signs(name), partial(self._note, taken))
        except Exception:  # noqa: BLE001 - it comes again, to fail where that is told, kept and reported
            return False
        return True

    def _note(self, taken: _Taken, error: NotStored | None) -> None:
        """Note what became of a request taken at once; those that shared a write are answered together."""
        if not self._decided:
            asyncio.get_running_loop().call_soon(self._answer_decided)
        self._decided.append((taken, error))

    def _answer_decided(self) -> None:
        decided, self._decided = self._decided, []
        try:
            self._say_decided(decided)
        finally:
            for taken, error in decided:
                answer = _accepted(taken.alerts) if error is None else _NOT_STORED
                taken.visit.answer(*rendered(answer, taken.trace))

    def _say_decided(self, decided: Sequence[tuple[_Taken, NotStored | None]]) -> None:
        stored = [taken for taken, error in decided if error is None]
        self.answers.update((taken.name, 202) for taken in stored)
        logs.several(log, "received", [taken.line() for taken in stored])
        for taken, error in decided:
            if error is not None:
                self._not_stored(taken.name, taken.trace, error)
                self._say(taken.name, _NOT_STORED, taken.trace)

    def _say(self, name: str, answer: Answer, trace: str) -> None:
        """Count and log an answer."""
        status, said = answer
        known = name in self._sources
        self.answers[name if known else "", status] += 1
        named = name if known else ascii(clip(name, 40))  # anybody chose it: it may forge lines
        tell = log.info if status < 400 else log.warning
        tell("received", source=named, status=status, trace_id=trace, **said)

    async def _answer(
        self, method: str, name: str, secret: str, headers: dict[str, str], receive: Receive, trace: str
    ) -> Answer:
        source = self._sources.get(name)
        if source is None:
            return 404, {"error": "no source of this name is configured"}
        if method != "POST":
            return 405, {"error": "webhooks are sent with POST"}
        with self._room.guest() as hold:
            try:
                body = await read(receive, headers, self._max_body, hold)
            except TooLarge:
                return 413, {"error": f"the body is larger than {self._max_body} bytes (receiver.max_body)"}
            except Crowded:
                return 503, {"error": "too many large bodies at once"}
            except (Broken, ValueError) as error:
                return 400, {"error": str(error)}
            request = Request(headers=headers, body=body, received_at=datetime.now(UTC), path_secret=secret)
            status, answer = await self._take(name, source, request, trace)
            if status in (200, 400):  # proven, though it brought no alert
                await self._alive(name, trace)
            return status, answer

    async def _take(self, name: str, source: Source, request: Request, trace: str) -> Answer:
        try:
            parsed = await self._parse(source, request)
        except Unverified as error:
            log.warning("unverified", source=name, reason=_printable(str(error)), trace_id=trace)
            return 401, {"error": "the request does not prove its sender"}
        except Unparseable as error:
            reason = self._said(error)
            await self._keep(name, request, reason)
            return 400, {"error": reason}
        except OSError as error:
            log.error("verification_stalled", source=name, reason=str(error), trace_id=trace)
            return 503, {"error": "the request can't be verified right now"}
        except Exception as error:
            await self._rescue(name, source, request, error)
            raise  # to be answered 500, logged and reported as what it is
        if isinstance(parsed, Ignored):
            return 200, {"ignored": _printable(parsed.reason)}
        if isinstance(parsed, Handshake):
            return await self._shake(parsed)
        try:
            await self._writer.put(parsed, trace, self._life.signs(name))
        except NotStored as error:
            self._not_stored(name, trace, error)
            return _NOT_STORED
        return _accepted(len(parsed))

    def _not_stored(self, name: str, trace: str, error: NotStored) -> None:
        self._life.unsaid(name)
        log.error("not_stored", source=name, reason=str(error), trace_id=trace)

    async def _alive(self, name: str, trace: str) -> None:
        """Note that a source has spoken; its sender is answered the same if that can't be kept."""
        if pings := self._life.signs(name):
            try:
                await self._writer.put([], trace, pings)
            except NotStored:
                self._life.unsaid(name)

    async def _parse(self, source: Source, request: Request) -> Parsed:
        """Prove and parse, elsewhere what would hold up the loop; raises OSError when a proof can't be had in time."""
        if source.needs_io(request):
            async with asyncio.timeout(ASK_WITHIN):
                await self._asking.acquire()
            try:
                return await asyncio.to_thread(prove_and_parse, source, self._scrubber, request)
            finally:
                self._asking.release()
        if len(request.body) > IN_THE_LOOP:
            return await asyncio.to_thread(prove_and_parse, source, self._scrubber, request)
        return prove_and_parse(source, self._scrubber, request)

    async def _rescue(self, name: str, source: Source, request: Request, fault: Exception) -> None:
        """Keep a proven request over which the bridge itself fell: most senders never send it again."""
        with suppress(Exception):
            source.verify(request)
            reason = f"a fault in the bridge ({type(fault).__name__}): replay this once an upgrade has mended it"
            await self._keep(name, request, reason)

    def _said(self, error: Unparseable) -> str:
        """Return what is wrong with a body as it may be logged and kept: values of it may stand in it."""
        return _printable(self._scrubber.scrub_text(clip(str(error), 500))[0])

    async def _shake(self, handshake: Handshake) -> Answer:
        try:
            await asyncio.to_thread(handshake.act)
        except OSError as error:
            return 503, {"error": f"{handshake.note}: {error}"}
        return 200, {"confirmed": handshake.note}


def _printable(text: str) -> str:
    """Return the text without line breaks and control characters: nothing in it forges a log line or a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def _accepted(count: int) -> Answer:
    return 202, {"accepted": count}


def _target(path: str) -> tuple[str, str]:
    name, _, secret = path.removeprefix("/hooks/").strip("/").partition("/")
    return name, secret


def trace_of(headers: dict[str, str]) -> str:
    """Return the request's own trace id, for log lines and the answer: never taken for the alert's."""
    if (parent := headers.get("traceparent")) and (match := _TRACEPARENT.fullmatch(parent)):
        return match[1]
    given = headers.get("x-trace-id")
    return given if given and _TRACE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
