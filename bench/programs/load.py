"""Load: prebuilt requests over kept connections, each sent when the one before it was answered.

`python -m bench.programs.load PORT SECONDS CONNECTIONS FILE` prints {"answered", "refused", "seconds"} as JSON;
FILE is a msgpack list of requests.
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
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Read an answer, which always has a Content-Length here, and send the next request."""
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        at = buffer.find(b"content-length: ")
        if head < 0 or len(buffer) < head + 4 + int(buffer[at + 16 : buffer.find(b"\r", at)]):
            self._buffer = buffer
            return
        self._buffer = b""
        if buffer.startswith(b"HTTP/1.1 202"):
            self.answered += 1
        else:
            self.refused += 1
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over."""
        if not self.done.done():
            self.done.set_result(None)


async def run(port: int, seconds: float, connections: int, requests: list[bytes]) -> dict[str, float]:
    """Return what was answered 202, what was answered otherwise, and in how many seconds."""
    loop = asyncio.get_running_loop()
    endless = itertools.cycle(requests)
    began = time.perf_counter()
    senders = [Sender(endless, began + seconds) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(sender.done for sender in senders))
    answered, refused = (sum(getattr(s, name) for s in senders) for name in ("answered", "refused"))
    return {"answered": answered, "refused": refused, "seconds": time.perf_counter() - began}


def main() -> None:
    """Run with the arguments of the command line."""
    port, seconds, connections, file = sys.argv[1:]
    requests = msgspec.msgpack.decode(Path(file).read_bytes(), type=list[bytes])
    result = uvloop.run(run(int(port), float(seconds), int(connections), requests))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
