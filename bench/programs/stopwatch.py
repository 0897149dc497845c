"""Webhook → Slack: send one alert, wait until Slack is called for it, then the next; Slack is the sandbox.

`python -m bench.programs.stopwatch PORT VENDORS_PORT FILE` prints the milliseconds as a JSON list.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.programs.load import length
from bridge.sandbox.app import Sandbox

PAUSE = 0.02
"""Seconds between two alerts: idle means that the last one is settled."""
CALLS = ("/slack/api/chat.postMessage", "/hook")
"""Of the Web API, which the sandbox answers, and of an incoming webhook, which says ok to everything."""


class Arrivals:
    """Tells when Slack is called, before the sandbox does anything with the call."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.next: asyncio.Future[float] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the time of a message and let the sandbox answer."""
        if scope["type"] == "http" and scope["path"] in CALLS and self.next and not self.next.done():
            self.next.set_result(time.perf_counter())
        app = PlainTextResponse("ok") if scope.get("path") == "/hook" else self._app
        await app(scope, receive, send)


async def run(port: int, vendors_port: int, requests: list[bytes]) -> list[float]:
    """Return the milliseconds from each request's first byte to its call of Slack."""
    arrivals = Arrivals(Sandbox().app())
    server = uvicorn.Server(uvicorn.Config(arrivals, port=vendors_port, log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = [await _one(arrivals, reader, writer, request) for request in requests]
    writer.close()
    server.should_exit = True
    await serving
    return times


async def _one(arrivals: Arrivals, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> float:
    arrivals.next = asyncio.get_running_loop().create_future()
    began = time.perf_counter()
    writer.write(request)
    arrived = await asyncio.wait_for(arrivals.next, 10)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(length(head))
    await asyncio.sleep(PAUSE)
    return (arrived - began) * 1000


def main() -> None:
    """Run with the arguments of the command line."""
    port, vendors_port, file = sys.argv[1:]
    requests = msgspec.msgpack.decode(Path(file).read_bytes(), type=list[bytes])
    print(msgspec.json.encode(asyncio.run(run(int(port), int(vendors_port), requests))).decode())


if __name__ == "__main__":
    main()
