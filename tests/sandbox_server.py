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


@contextmanager
def running(
    app: ASGIApp,
    port: int = 0,
    *,
    lifespan: Literal["on", "off"] = "off",
    http: type[asyncio.Protocol] | Literal["auto"] = "auto",
) -> Iterator[str]:
    """Serve the app on a loopback port (by default a free one) in a thread; yields "http://127.0.0.1:PORT".

    Faults of kind `drop` work. Requests still hanging at the end are cancelled. Usable at any fixture scope.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        droppable(app),
        lifespan=lifespan,
        http=http,
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=0,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive(), "the server ended before it started"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.005)
