"""A Slack that keeps up: counts what was told, and may answer 429; for storms, where the sandbox would be the limit.

`python -m bench.programs.slack PORT [PER_SECOND]`. It takes messages as chat.postMessage and as an incoming webhook
(any path without /api/), with a bucket of one when PER_SECOND is given. Alerts carry `[n]` in their title: by it
they are counted. GET /counts says what came.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from typing import cast
from urllib.parse import parse_qs

import msgspec
import uvloop

NUMBER = re.compile(rb"\[(\d+)\]")
ANYTHING = (
    b'{"ok":true,"channel":"C0ONCALL","ts":"1700000000.000001","permalink":"https://b.slack.com/archives/C0ONCALL/p1",'
    b'"team_id":"T0B","user_id":"U0B","bot_id":"B0B","url":"https://b.slack.com/"}'
)
"""Enough of an answer to every other method."""
POST, WEBHOOK = b"POST /slack/api/chat.postMessage", b"POST /hook"


class Counts(msgspec.Struct):
    """What came so far."""

    told: int = 0
    """Distinct alerts that were told by a message."""
    twice: int = 0
    """Alerts that more than one message told."""
    messages: int = 0
    edits: int = 0
    rejected: int = 0
    first: float = 0
    last: float = 0
    """Time of the first and of the newest accepted message, in seconds (CLOCK_MONOTONIC: comparable on one machine)."""
    seconds: dict[int, int] = {}
    """Accepted messages by second since the first."""


class Workspace:
    """What all connections know."""

    def __init__(self, per_second: float) -> None:
        self.counts = Counts()
        self._told: Counter[bytes] = Counter()
        self._per_second = per_second
        self._free_at = 0.0
        self._roots: dict[str, object] = {}
        """Metadata of each message by its ts: what a bridge looks up after an interrupted call."""

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Return the answer to a request."""
        if head.startswith(b"GET /counts"):
            self.counts.told = len(self._told)
            self.counts.twice = sum(n > 1 for n in self._told.values())
            return _answer(msgspec.json.encode(self.counts))
        if head.startswith((POST, WEBHOOK)):
            return self._message(head, body)
        if head.startswith(b"POST /slack/api/conversations."):
            return self._looked_up(head, body)
        self.counts.edits += b"chat.update" in head[:40]
        return _answer(ANYTHING)

    def _message(self, head: bytes, body: bytes) -> bytes:
        now = time.monotonic()
        if self._per_second:
            if now < self._free_at:
                self.counts.rejected += 1
                return _answer(b'{"ok":false,"error":"ratelimited"}', b"429 Too Many Requests", b"retry-after: 1\r\n")
            self._free_at = max(self._free_at, now - 0.01) + 1 / self._per_second
        counts = self.counts
        counts.first = counts.first or now
        counts.last = now
        counts.messages += 1
        second = int(now - counts.first)
        counts.seconds[second] = counts.seconds.get(second, 0) + 1
        self._told.update(set(NUMBER.findall(body)))
        if head.startswith(WEBHOOK):
            return _answer(b"ok")
        ts = f"{max(time.time(), float(next(reversed(self._roots), 0)) + 1e-6):.6f}"
        self._roots[ts] = msgspec.json.decode(body).get("metadata")
        return _answer(msgspec.json.encode({"ok": True, "channel": "C0ONCALL", "ts": ts, "message": {"ts": ts}}))

    def _looked_up(self, head: bytes, body: bytes) -> bytes:
        """Return the channel's messages of a span, or one message as a thread without replies."""
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        one = asked["ts"] if b"conversations.replies" in head else ""
        oldest, latest = float(one or asked.get("oldest", 0)), float(one or asked.get("latest", "inf"))
        found = [
            {"ts": ts, "bot_id": "B0B", "metadata": metadata}
            for ts, metadata in self._roots.items()
            if oldest <= float(ts) <= latest
        ]
        return _answer(msgspec.json.encode({"ok": True, "messages": found}))


def _answer(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %b\r\n\r\n%b" % (
        status,
        more,
        length,
        body,
    )


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            until = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < until:
                return
            body, self._buffer = self._buffer[end + 4 : until], self._buffer[until:]
            self._transport.write(self._workspace.answer(head, body))


async def serve(port: int, per_second: float) -> None:
    """Serve until killed."""
    workspace = Workspace(per_second)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(workspace), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Run with the arguments of the command line."""
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0))


if __name__ == "__main__":
    main()
