"""The targets of the checks: answer at once, or never, and remember when they were asked.

`python -m bench.programs.targets PORT`: `/<name>` answers 200, `/hanging-<n>` nothing; `/asked` is {name: [ms, …]}.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from typing import ClassVar

import msgspec
import uvloop

ASKED = "asked"


class Targets(asyncio.Protocol):
    """One connection, one request."""

    asked: ClassVar[defaultdict[str, list[float]]] = defaultdict(list)
    """In ms since the epoch."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._transport = transport
        self._at = time.time() * 1000

    def data_received(self, data: bytes) -> None:
        """Answer, unless the target hangs."""
        name = data.split(b" ", 2)[1].decode().strip("/")
        if name != ASKED:
            self.asked[name].append(self._at)
        body = msgspec.json.encode(self.asked) if name == ASKED else b"ok"
        if not name.startswith("hanging"):
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self._transport.write(head.encode() + body)  # type: ignore[attr-defined]  # a transport of a connection
            self._transport.close()


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Targets, "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
