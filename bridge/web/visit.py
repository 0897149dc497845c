"""A small, plain request that is taken as a whole: no framework, no task, no event of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from bridge.web.answer import Headers
from bridge.web.body import FREE

if TYPE_CHECKING:
    from bridge.web.protocol import Punctual

HOOK = re.compile(rb"/hooks/[\w./~-]*")
"""Addresses that are nothing but a path, as it stands."""
_UNUSUAL = frozenset({"content-encoding", "transfer-encoding", "expect", "upgrade"})
_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in HTTPStatus}
_NOBODY = asyncio.Event()
"""On which nobody ever waits."""


class Lane(Protocol):
    """What may take a request at once, and answer it when it is stored."""

    def at_once(self, path: str, headers: dict[str, str], body: bytes, visit: Visit) -> bool:
        """Return whether the request is taken; if not, it goes the usual way as if nothing had been asked."""
        ...


class Visit:
    """A request that was taken, until it is answered; to uvicorn it looks like one that the framework has."""

    __slots__ = ("_connection", "disconnected", "keep_alive", "response_complete", "response_started")
    message_event = _NOBODY

    def __init__(self, connection: Punctual) -> None:
        self._connection = connection
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write the whole answer; nothing if the sender has gone."""
        self.response_started = self.response_complete = True
        connection = self._connection
        del self._connection  # which holds this: a cycle would keep both until somebody looks for cycles
        if self.disconnected or connection.transport.is_closing():
            return
        lines = [_LINES[status]]
        for name, value in (*connection.server_state.default_headers, *headers):
            lines += name, b": ", value, b"\r\n"
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += b"\r\n", body
        connection.transport.write(b"".join(lines))
        connection.answered(self)


def plain(headers: dict[str, str]) -> bool:
    """Return whether a request is small, of a known length, and asks for nothing else."""
    size = int(headers.get("content-length") or 0)
    return 0 < size <= FREE and _UNUSUAL.isdisjoint(headers)


def headers_of(given: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return a request's headers; of a repeated one the first counts."""
    headers: dict[str, str] = {}
    for key, value in given:
        headers.setdefault(key.decode("latin-1"), value.decode("latin-1"))
    return headers
