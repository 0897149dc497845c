"""Load: prebuilt requests over kept connections, each sent when the one before it was answered.

`python -m bench.programs.load PORT SECONDS CONNECTIONS FILE` prints {"answered", "refused", "seconds"} as JSON;
FILE is a msgpack list of requests. With "once" behind it each is sent once, and the time is that of the last answer.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import uvloop


class Sender(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests = requests
        self._until = until
        self._buffer = b""
        self.answered = 0
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request, if the others left one."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        if request := next(self._requests, b""):
            self._transport.write(request)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Read an answer and send the next request."""
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head < 0 or len(buffer) < head + 4 + length(buffer[:head]):
            self._buffer = buffer
            return
        self._buffer = b""
        if buffer.startswith(b"HTTP/1.1 20"):
            self.answered += 1
        else:
            self.refused += 1
        request = next(self._requests, b"") if time.perf_counter() < self._until else b""
        if request:
            self._transport.write(request)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over."""
        if not self.done.done():
            self.done.set_result(None)


def length(head: bytes) -> int:
    """Return the answer's Content-Length; the short answers here always have one."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0


async def run(port: int, seconds: float, connections: int, requests: Iterator[bytes]) -> dict[str, float]:
    """Return what was answered 2xx, what was answered otherwise, and in how many seconds."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    senders = [Sender(requests, began + seconds) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(sender.done for sender in senders))
    answered, refused = (sum(getattr(s, name) for s in senders) for name in ("answered", "refused"))
    return {"answered": answered, "refused": refused, "seconds": time.perf_counter() - began}


def main() -> None:
    """Run with the arguments of the command line."""
    port, seconds, connections, file, *once = sys.argv[1:]
    requests = msgspec.msgpack.decode(Path(file).read_bytes(), type=list[bytes])
    every = iter(requests) if once else itertools.cycle(requests)
    result = uvloop.run(run(int(port), float(seconds), int(connections), every))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
