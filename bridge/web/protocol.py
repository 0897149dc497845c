"""HTTP with deadlines: uvicorn waits for ever for a request that never becomes whole, and takes endless headers."""

from __future__ import annotations

import asyncio
import resource
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN = 5.0
"""Seconds from a request's first byte, or from the connection, to the end of its headers."""
WHOLE_WITHIN = 10.0
"""Seconds from there to the end of its body."""
HEAD_LIMIT = 32 << 10
"""Bytes of request line and headers; senders' own have about 1 KiB."""
CONNECTIONS = 8192
"""Connections at the most; beyond it, the one that has been waiting longest for a request is closed."""
FILES_ASIDE = 128
"""File descriptors left for the store, the journal and the log."""

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def make_room(wanted: int = CONNECTIONS) -> int:
    """Raise this process' limit of open files as far as it may; returns how many connections then fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + FILES_ASIDE
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return max(1, min(wanted, needed - FILES_ASIDE))


class Punctual(HttpToolsProtocol):
    """One connection: whoever does not send a request in time loses it; among too many, whoever is slowest."""

    head_within = HEAD_WITHIN
    whole_within = WHOLE_WITHIN
    most = CONNECTIONS
    _slow: ClassVar[dict[Punctual, None]] = {}
    """Connections of this process without a whole request, in the order in which they began to wait for one."""
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _whole = False
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock; if there are too many, close the one that has been slow for longest."""
        super().connection_made(transport)
        self._slow[self] = None
        self._expect(self.head_within)
        if len(self.connections) > self.most:
            slowest = next(iter(self._slow))
            del self._slow[slowest]
            slowest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        self._slow.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, but no headers without end, and no blank lines instead of a request."""
        self._whole = False
        super().data_received(data)
        if not self._in_head or self._whole or self.transport.is_closing():
            return
        self._head_size += len(data)
        if self._head_size > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        elif self._deadline is None:
            self._expect(self.head_within)

    def on_message_begin(self) -> None:
        """Give the headers their time."""
        super().on_message_begin()
        self._in_head, self._head_size = True, 0
        self._expect(self.head_within)

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        super().on_headers_complete()
        self._in_head = False
        self._expect(self.whole_within)

    def on_message_complete(self) -> None:
        """Stop the clock: from here on the receiver is the slow one."""
        super().on_message_complete()
        self._in_head = self._whole = True
        self._slow.pop(self, None)
        self._stop()

    def on_response_complete(self) -> None:
        """Be the first to go again, if no further request comes."""
        super().on_response_complete()
        if self in self.connections:
            self._slow[self] = None

    def _expect(self, within: float) -> None:
        self._stop()
        self._deadline = self.loop.call_later(within, self._late)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        begun = self._head_size if self._in_head else not self.cycle.response_started
        self._refuse(_TIMED_OUT if begun else b"")

    def _refuse(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        if not answer:
            self.transport.abort()
            return
        self.transport.write(answer)
        self.transport.close()
