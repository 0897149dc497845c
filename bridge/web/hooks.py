"""POST /hooks/{name}: prove, parse, store, answer."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from bridge.enrich.scrub import Scrubber
from bridge.pipeline.receive import receive as prove_and_parse
from bridge.ports import Handshake, Ignored, Parsed, Request, Source, Unparseable, Unverified
from bridge.web.body import READ_WITHIN, Broken, Message, Receive, TooLarge, read
from bridge.web.writer import NotStored, Writer

Send = Callable[[Message], Awaitable[None]]
Answer = tuple[int, dict[str, object]]

RETRY_AFTER = 5
"""Seconds a sender is asked to wait when nothing could be stored."""
_ALSO = {
    400: [(b"connection", b"close")],  # what is left of a body that came too slowly is not waited for
    405: [(b"allow", b"POST")],
    503: [(b"retry-after", str(RETRY_AFTER).encode())],
}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = re.compile(r"[0-9A-Za-z_.:-]{1,64}")

log = structlog.get_logger(__name__)


class Hooks:
    """The ASGI application mounted at /hooks; raw ASGI because nothing of a framework is needed here."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        scrubber: Scrubber,
        writer: Writer,
        keep: Callable[[str, Request, str], Awaitable[None]],
        max_body: int,
        read_within: float = READ_WITHIN,
    ) -> None:
        self._sources = sources
        self._scrubber = scrubber
        self._writer = writer
        self._keep = keep
        self._max_body = max_body
        self._read_within = read_within
        self.answers: Counter[tuple[str, int]] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name, secret = _target(scope)
        headers = _headers(scope)
        trace = _trace(headers)
        status, answer = await self._answer(scope["method"], name, secret, headers, receive, trace)
        self.answers[name if name in self._sources else "", status] += 1
        level = "info" if status < 400 else "warning"
        getattr(log, level)("received", source=name, status=status, trace_id=trace, **answer)
        await _respond(send, status, answer, trace)

    async def _answer(
        self, method: str, name: str, secret: str, headers: dict[str, str], receive: Receive, trace: str
    ) -> Answer:
        source = self._sources.get(name)
        if source is None:
            return 404, {"error": "no source of this name is configured"}
        if method != "POST":
            return 405, {"error": "webhooks are sent with POST"}
        try:
            body = await read(receive, headers, self._max_body, self._read_within)
        except TooLarge:
            return 413, {"error": f"the body is larger than {self._max_body} bytes (receiver.max_body)"}
        except (Broken, ValueError) as error:
            return 400, {"error": str(error)}
        request = Request(headers=headers, body=body, received_at=datetime.now(UTC), path_secret=secret)
        return await self._take(name, source, request, trace)

    async def _take(self, name: str, source: Source, request: Request, trace: str) -> Answer:
        try:
            parsed = await self._parse(source, request)
        except Unverified as error:
            log.warning("unverified", source=name, reason=str(error), trace_id=trace)
            return 401, {"error": "the request does not prove its sender"}
        except Unparseable as error:
            await self._keep(name, request, str(error))
            return 400, {"error": str(error)}
        except OSError as error:
            log.error("verification_stalled", source=name, reason=str(error), trace_id=trace)
            return 503, {"error": "the request can't be verified right now"}
        if isinstance(parsed, Ignored):
            return 200, {"ignored": parsed.reason}
        if isinstance(parsed, Handshake):
            return await self._shake(parsed)
        try:
            await self._writer.put(parsed, trace)
        except NotStored as error:
            log.error("not_stored", source=name, reason=str(error), trace_id=trace)
            return 503, {"error": "it can't be kept right now"}
        return 202, {"accepted": len(parsed)}

    async def _parse(self, source: Source, request: Request) -> Parsed:
        if source.needs_io(request):
            return await asyncio.to_thread(prove_and_parse, source, self._scrubber, request)
        return prove_and_parse(source, self._scrubber, request)

    async def _shake(self, handshake: Handshake) -> Answer:
        try:
            await asyncio.to_thread(handshake.act)
        except OSError as error:
            return 503, {"error": f"{handshake.note}: {error}"}
        return 200, {"confirmed": handshake.note}


def _target(scope: Message) -> tuple[str, str]:
    path: str = scope["path"][len(scope.get("root_path", "")) :]
    name, _, secret = path.strip("/").partition("/")
    return name, secret


def _headers(scope: Message) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        headers.setdefault(key.decode("latin-1"), value.decode("latin-1"))
    return headers


def _trace(headers: dict[str, str]) -> str:
    """Return the request's own trace id, for log lines and the answer: never taken for the alert's."""
    if parent := _TRACEPARENT.fullmatch(headers.get("traceparent", "")):
        return parent[1]
    given = headers.get("x-trace-id", "")
    return given if _TRACE_ID.fullmatch(given) else secrets.token_hex(16)


async def _respond(send: Send, status: int, answer: dict[str, object], trace: str) -> None:
    body = json.dumps(answer, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-trace-id", trace.encode()),
    ]
    headers += _ALSO.get(status, [])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
