"""Load at a steady rate, whether answers come or not: each request has its time, and is timed from it.

`python -m bench.programs.steady PORT RATE SECONDS FILE` prints {"refused", "p50", "p99", "max"} as JSON (milliseconds).
A program that waits for an answer before it sends the next request would not see what stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections import deque
from pathlib import Path
from statistics import quantiles
from typing import cast

import msgspec
import uvloop

from bench.programs.load import length

GRACE = 10.0
"""Seconds that answers may take at the end."""


class Sender(asyncio.Protocol):
    """One connection; says when it is free."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._buffer = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be free."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._clients.free(self)

    def send(self, request: bytes, since: float) -> None:
        """Send a request that was to go at this time."""
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read an answer."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or len(self._buffer) < head + 4 + length(self._buffer[:head]):
            return
        self._clients.answered(self._since, good=self._buffer.startswith(b"HTTP/1.1 20"))
        self._buffer = b""
        self._clients.free(self)


class Clients:
    """As many connections as are needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[Sender] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self.ms: list[float] = []
        self.refused = 0

    def free(self, sender: Sender) -> None:
        """Use a connection for the next that waits."""
        if self._waiting:
            sender.send(*self._waiting.popleft())
        else:
            self._free.append(sender)

    def send(self, request: bytes, since: float) -> None:
        """Send now, over a new connection if none is free."""
        if self._free:
            self._free.pop().send(request, since)
            return
        self._waiting.append((request, since))
        loop = asyncio.get_running_loop()
        loop.create_task(loop.create_connection(lambda: Sender(self), "127.0.0.1", self._port))  # noqa: RUF006

    def answered(self, since: float, *, good: bool) -> None:
        """Note an answer."""
        self.ms.append((time.perf_counter() - since) * 1000)
        self.refused += not good


async def run(port: int, rate: float, seconds: float, requests: list[bytes]) -> dict[str, float]:
    """Return how long answers took; raises TimeoutError when some never came."""
    clients, endless = Clients(port), itertools.cycle(requests)
    began, count = time.perf_counter(), int(rate * seconds)
    for number in range(count):
        planned = began + number / rate
        while (left := planned - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        clients.send(next(endless), planned)
        if number % 20 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(GRACE):
        while len(clients.ms) < count:
            await asyncio.sleep(0.01)
    ms = sorted(clients.ms)
    cut = quantiles(ms, n=100, method="inclusive")
    return {"refused": clients.refused, "p50": cut[49], "p99": cut[98], "max": ms[-1]}


def main() -> None:
    """Run with the arguments of the command line."""
    port, rate, seconds, file = sys.argv[1:]
    requests = msgspec.msgpack.decode(Path(file).read_bytes(), type=list[bytes])
    print(msgspec.json.encode(uvloop.run(run(int(port), float(rate), float(seconds), requests))).decode())


if __name__ == "__main__":
    main()
