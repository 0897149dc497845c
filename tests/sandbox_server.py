"""Run an ASGI app on a real port, for tests that use real clients."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from bridge.sandbox.faults import droppable

LOOKS_EVERY = 0.005
GRACE = 0.1
"""Seconds."""


@contextmanager
def running(
    app: ASGIApp,
    port: int = 0,
    *,
    lifespan: Literal["on", "off"] = "off",
    http: type[asyncio.Protocol] | Literal["auto"] = "auto",
) -> Iterator[str]:
    """Serve the app on a loopback port (by default a free one) in a thread; yields "http://127.0.0.1:PORT".

    Faults of kind `drop` work, unless `http` says what serves a connection: then all is as `alert-bridge serve` has it.
    Requests still hanging at the end are cancelled. Usable at any fixture scope.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        droppable(app) if http == "auto" else app,
        lifespan=lifespan,
        http=http,
        proxy_headers=http == "auto",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=0,
        ws="none",
    )
    server = _Prompt(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


class _Prompt(uvicorn.Server):
    """Ends as soon as it is told to and nothing is under way; uvicorn itself takes 0.1 to 0.2 s for that.

    What still hangs after those 0.1 s is cancelled, as uvicorn does.
    """

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(LOOKS_EVERY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in [*self.servers, *(sockets or [])]:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        until = time.monotonic() + GRACE
        while (self.server_state.connections or self.server_state.tasks) and time.monotonic() < until:
            await asyncio.sleep(LOOKS_EVERY)
        for task in self.server_state.tasks:
            task.cancel(msg="the test is over")
        await self.lifespan.shutdown()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server ended before it started"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(LOOKS_EVERY)
