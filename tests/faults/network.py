"""Network cables that can be made bad: TCP proxies on the loopback, all in one thread."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from tests.conftest import free_port

CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""

Opening = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Mode(StrEnum):
    """What a cable does."""

    PASS = "pass"
    SLOW = "slow"
    """Each chunk, either way, comes late by `latency` seconds."""
    CUT = "cut"
    """Connections are reset, new ones as well."""
    SILENT = "silent"
    """What is sent vanishes, nothing comes back; new connections are taken, and vanish too."""
    DEAF = "deaf"
    """What is asked arrives and is done; instead of the answer the connection is reset."""


class Cable:
    """One proxy: from a port of its own to one address."""

    def __init__(self, loop: asyncio.AbstractEventLoop, opening: Opening) -> None:
        self.port = free_port()
        self.latency = 0.1
        self._loop = loop
        self._opening = opening
        self._mode = Mode.PASS
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Start to take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def turn(self, mode: Mode, latency: float = 0.1) -> None:
        """Make the cable behave otherwise, now; from any thread. What vanished stays so: its connections end."""
        asyncio.run_coroutine_threadsafe(self._turn(mode, latency), self._loop).result(10)

    async def _turn(self, mode: Mode, latency: float) -> None:
        before, self._mode, self.latency = self._mode, mode, latency
        if mode is Mode.CUT or before in (Mode.SILENT, Mode.DEAF):
            self.reset()

    async def end(self) -> None:
        """Take no more connections, and reset those there are."""
        if self._server is not None:
            self._server.close()
        self.reset()

    def reset(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.CUT:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await self._opening()
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, answer=False), self._pump(far_reader, writer, answer=True)
            )
        except (OSError, asyncio.CancelledError):  # cancelled: the network ends
            pass
        finally:
            self._open -= {writer, far_writer}
            _reset(writer)
            _reset(far_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        while data := await reader.read(CHUNK):
            if self._mode is Mode.SILENT:
                continue
            if self._mode is Mode.SLOW:
                await asyncio.sleep(self.latency)
            if self._mode is Mode.CUT or (self._mode is Mode.DEAF and answer):
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        if self._mode is not Mode.SILENT and writer.can_write_eof():
            writer.write_eof()


class Network:
    """The thread that all cables run in."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self._cables: list[Cable] = []

    def cable_to_socket(self, path: str) -> Cable:
        """Return a cable to a Unix socket."""
        return self._laid(Cable(self._loop, lambda: asyncio.open_unix_connection(path)))

    def cable_to_port(self, port: int) -> Cable:
        """Return a cable to a port on the loopback."""
        return self._laid(Cable(self._loop, lambda: asyncio.open_connection("127.0.0.1", port)))

    def _laid(self, cable: Cable) -> Cable:
        asyncio.run_coroutine_threadsafe(cable.listen(), self._loop).result(10)
        self._cables.append(cable)
        return cable

    def close(self) -> None:
        """End the thread with all connections."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        for cable in self._cables:
            await cable.end()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the sockets close


def some_latency(dice: random.Random) -> float:
    """Return a delay from hardly noticed to longer than the receiver waits."""
    return dice.choice((0.02, 0.05, 0.1, 0.3, 0.6))


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.close()
