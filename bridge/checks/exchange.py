"""One HTTP request over a new connection, and as much of its answer as a look needs."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import h11
import httpcore
import httpx

from bridge.checks.line import Line
from bridge.checks.looking import Notes, Wrong, since
from bridge.domain.observation import Fault

BODY_LIMIT = 64 * 1024
"""As much of a body is read and, if it comes compressed, inflated; conditions see no more."""
HEAD_LIMIT = 64 * 1024
"""More of a head is a fault."""
WIRE_LIMIT = HEAD_LIMIT + 2 * BODY_LIMIT
"""Head and body as they come; more of a body is left."""
CHUNK_LIMIT = 4096
"""Pieces of a body: a byte in each would cost more than the body is worth."""
SLICE = 8 * 1024
START = 4096
"""As much is kept of what is not HTTP, to be shown: more than fits, so that no secret is cut before it is masked."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    headers: httpx.Headers
    body: bytes = b""
    cut: bool = False
    """There was more of the body than is read."""
    encoding: str = ""
    """How the body is still compressed, where that can't be undone here."""


class Wire(httpcore.AsyncNetworkStream):
    """A line as httpcore wants it, which counts what comes and lets others run in between."""

    def __init__(self, line: Line, notes: Notes, began: float) -> None:
        self._line = line
        self._notes = notes
        self._began = began
        self.came = 0
        self.limit = HEAD_LIMIT
        self.start = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came; b"" at its end or when more came than is looked at."""
        if self.came > self.limit:
            return b""
        await asyncio.sleep(0)
        some = await self._line.reader.read(min(max_bytes, SLICE))
        if some and not self.came:
            self._notes.facts["First byte"] = since(self._began)
            self._notes.phase = "waiting for the rest of the headers"
        self.came += len(some)
        self.start += some[: START - len(self.start)]
        return some

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; returns when the target takes it."""
        self._line.writer.write(buffer)
        await self._line.writer.drain()

    async def aclose(self) -> None:
        """Leave it: who opened the line closes it."""

    def get_extra_info(self, info: str) -> Any:
        """Return nothing: httpcore asks for what it does not need here."""
        return None


async def exchange(request: httpx.Request, line: Line, notes: Notes, began: float) -> Answer:
    """Return the answer to a request, its body cut at the limit; raises Wrong with PROTOCOL when it is none."""
    wire = Wire(line, notes, began)
    notes.phase = "waiting for the first byte of the answer"
    try:
        return await _exchange(request, wire, notes)
    except (httpcore.ProtocolError, h11.ProtocolError) as error:
        raise Wrong(Fault.PROTOCOL, _in_words(error, wire, notes)) from error
    except OSError as error:
        when = "in the middle of the answer" if wire.came else "before it answered"
        how = "reset" if isinstance(error, ConnectionError) else type(error).__name__
        raise Wrong(Fault.PROTOCOL, f"the target closed the connection {when} ({how})") from error


async def _exchange(request: httpx.Request, wire: Wire, notes: Notes) -> Answer:
    connection = httpcore.AsyncHTTP11Connection(_origin(request.url), wire)
    asked = httpcore.Request(
        request.method, _url(request.url), headers=request.headers.raw, content=request.content or None
    )
    came = await connection.handle_async_request(asked)
    wire.limit = WIRE_LIMIT
    notes.phase = "waiting for the rest of the body"
    headers = httpx.Headers(came.headers)
    reason = notes.line(came.extensions["reason_phrase"].decode("latin-1"), 60)
    async with aclosing(cast("AsyncGenerator[bytes]", came.aiter_stream())) as pieces:
        body, cut, encoding = await _body(pieces, headers, wire, notes)
    return Answer(came.status, reason, headers, body, cut, encoding)


async def _body(
    pieces: AsyncIterator[bytes], headers: httpx.Headers, wire: Wire, notes: Notes
) -> tuple[bytes, bool, str]:
    """Return the body as far as it is read, whether there was more, and how it is still compressed."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    inflated = zlib.decompressobj(47) if encoding in ("gzip", "x-gzip", "deflate") else None
    body, count = bytearray(), 0
    try:
        async for piece in pieces:
            room = BODY_LIMIT + 1 - len(body)
            body += inflated.decompress(piece, room) if inflated else piece[:room]
            count += 1
            if len(body) > BODY_LIMIT or count > CHUNK_LIMIT or wire.came > WIRE_LIMIT:
                return bytes(body[:BODY_LIMIT]), True, ""
    except zlib.error:
        raise Wrong(Fault.PROTOCOL, f"the body is not {encoding}, as its headers say") from None
    return bytes(body), False, "" if inflated or encoding == "identity" else notes.line(encoding, 40)


def _in_words(error: Exception, wire: Wire, notes: Notes) -> str:
    if not wire.came:
        return "the target closed the connection before it answered"
    if not wire.start.startswith(b"HTTP/"[: len(wire.start)]):
        return f"what came is not HTTP: {notes.line(wire.start.decode('latin-1'), 60) or 'no text'}"
    if wire.came > wire.limit or "too long" in str(error):
        return "the headers have no end"
    text = str(error)
    if "peer closed connection" in text or "disconnected" in text:
        return "the target closed the connection in the middle of the answer"
    return f"what came breaks the rules of HTTP/1.1: {notes.line(text, 120)}"


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _origin(url: httpx.URL) -> httpcore.Origin:
    return _url(url).origin
