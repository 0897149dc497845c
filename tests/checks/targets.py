"""Targets on the loopback: real servers that answer what a test wants, and keep what they were sent."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.checks import CHECKS
from bridge.domain.observation import Observation

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TRACE = "7c9e5a1d3b4f48c2a6d0e1f2039485b7"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Target:
    """A running server."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    """The head of each request, or what else came first."""
    scheme: str = "http"
    met: int = 0
    """Connections."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/"


@asynccontextmanager
async def target(
    talk: Talk | bytes, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Target]:
    """Run a server that talks so, or answers with those bytes and closes."""
    made = Target(0, scheme="https" if tls else "http")
    open_writers: set[asyncio.StreamWriter] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        made.met += 1
        try:
            if isinstance(talk, bytes):
                made.heard.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(talk)
                await writer.drain()
                writer.close()
            else:
                await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # the look is over
        finally:
            open_writers.discard(writer)
            writer.transport.abort()

    server = await asyncio.start_server(met, host, 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in list(open_writers):
            writer.transport.abort()
        await asyncio.sleep(0.01)


def answer(body: bytes = b"ok\n", status: str = "200 OK", *headers: str) -> bytes:
    """Return an HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def look(kind: str, timeout: float = 20.0, now: datetime = NOW, **options: Any) -> Observation:
    """Look once, with private addresses allowed unless the test says otherwise."""
    made = CHECKS[kind]
    check = made("shop", made.Options.model_validate({"allow_private": True, **options}), timedelta(seconds=timeout))
    return await check.look(now, TRACE)


def sockets() -> set[str]:
    """Return the open sockets of this process."""
    gc.collect()
    found = set()
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - links to sockets are no paths
        try:
            to = os.readlink(f"/proc/self/fd/{entry}")  # noqa: PTH115
        except OSError:
            continue
        if to.startswith("socket:"):
            found.add(to)
    return found
