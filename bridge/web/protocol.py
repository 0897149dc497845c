"""HTTP with deadlines: uvicorn waits for ever for a request that never becomes whole, and takes endless headers."""

from __future__ import annotations

import asyncio
import resource
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.web.visit import HOOK, Lane, Visit, headers_of, plain

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
    """One connection: whoever does not send a request in time loses it; among too many, whoever is slowest.

    A small plain request for /hooks is held until it is whole and offered to the application's lane (visit.py); the
    others, and what the lane does not take, go uvicorn's way.
    """

    head_within = HEAD_WITHIN
    whole_within = WHOLE_WITHIN
    most = CONNECTIONS
    _slow: ClassVar[dict[Punctual, None]] = {}
    """Connections of this process without a whole request, in the order in which they began to wait for one."""
    _due: float | None = None
    """When patience ends, by the loop's clock; None while the receiver is the slow one."""
    _timer: asyncio.TimerHandle | None = None
    """Looks at `_due`: moved for each part of a request, that is cheaper than a timer for each."""
    _in_head = True
    _whole = _idle = False
    _head_size = 0
    _held: bytes | None = None
    """The body so far of a request that may be for the lane."""
    _named: dict[str, str]
    """Its headers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock; if there are too many, close the one that has been slow for longest."""
        super().connection_made(transport)
        self._lane: Lane | None = getattr(self.app, "lane", None)
        self._slow[self] = None
        self._expect(self.head_within)
        if len(self.connections) > self.most:
            slowest = next(iter(self._slow))
            del self._slow[slowest]
            slowest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._pass_on()
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # it holds this connection
        self._slow.pop(self, None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection, once what is under way is answered."""
        self._pass_on()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read on, but no headers without end, and no blank lines instead of a request."""
        self._whole = False
        super().data_received(data)
        if not self._in_head or self._whole or self.transport.is_closing():
            return
        self._head_size += len(data)
        if self._head_size > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        elif self._due is None or self._idle:
            self._idle = False
            self._expect(self.head_within)

    def on_message_begin(self) -> None:
        """Give the headers their time."""
        super().on_message_begin()
        self._in_head, self._idle, self._head_size = True, False, 0
        self._expect(self.head_within)

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        if self._for_the_lane():
            self._held = b""
        else:
            super().on_headers_complete()
        self._in_head = False
        self._expect(self.whole_within)

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        """Stop the clock: from here on the receiver is the slow one."""
        self._in_head = self._whole = True
        self._head_size = 0
        self._slow.pop(self, None)
        self._due = None
        if not self._taken():
            self._pass_on()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Be the first to go again, if no further request comes."""
        super().on_response_complete()
        if self in self.connections:
            self._slow[self] = None

    def answered(self, visit: Visit) -> None:
        """Wait for the next request, which may have come already."""
        if self.pipeline or not visit.keep_alive:
            if not visit.keep_alive:
                self.transport.close()
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._slow[self] = None
        if self._due is None:  # else the next one has begun
            self._idle = True
            self._expect(self.timeout_keep_alive)

    def _for_the_lane(self) -> bool:
        """Return whether a request may be taken as a whole; there is none before it that waits for its answer."""
        if self._lane is None or not HOOK.fullmatch(self.url) or self.parser.get_method() != b"POST":
            return False
        if self._busy() or self.flow.write_paused:
            return False
        self._named = headers_of(self.headers)
        return plain(self._named) and self.parser.should_keep_alive()

    def _busy(self) -> bool:
        cycle: object = self.cycle  # None before the first request
        return cycle is not None and not self.cycle.response_complete

    def _taken(self) -> bool:
        """Offer what is held to the lane; return whether it took it."""
        if self._held is None or self._lane is None:
            return False
        before = self.cycle
        self.cycle = visit = Visit(self)  # type: ignore[assignment]  # what uvicorn asks of its own
        if self._lane.at_once(self.url.decode(), self._named, self._held, visit):
            self._held = None
            return True
        self.cycle = before
        return False

    def _pass_on(self) -> None:
        """Let uvicorn have what is held, as far as it has come."""
        if self._held is not None:
            body, self._held = self._held, None
            super().on_headers_complete()
            super().on_body(body)

    def _expect(self, within: float) -> None:
        self._due = due = self.loop.time() + within
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self.loop.time():
            self._timer = self.loop.call_at(self._due, self._look)
        else:
            self._late()

    def _late(self) -> None:
        self._pass_on()
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
