"""Targets of checks that break and hang as a test likes, and which process asked them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread


@dataclass
class Shop:
    """A web server with a target for each name: `/<name>` answers with the status that is set for it."""

    port: int = 0
    status: dict[str, int] = field(default_factory=dict)
    asked: dict[str, list[float]] = field(default_factory=dict)
    """When each target was asked."""
    traces: dict[str, list[str]] = field(default_factory=dict)
    hold: dict[str, Event] = field(default_factory=dict)
    """A target that answers only once its event is set."""
    client: dict[str, int] = field(default_factory=dict)
    """From which port each target was asked last."""

    def longest_gap(self, name: str, since: float) -> float:
        """Return the longest time between two requests, the present counted as one."""
        times = [since, *(at for at in self.asked[name] if at > since), time.monotonic()]
        return max(b - a for a, b in pairwise(times))


@contextmanager
def open_shop() -> Iterator[Shop]:
    """Serve targets on a free port."""
    shop = Shop()

    class Counter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            shop.client[name] = self.client_address[1]
            shop.traces.setdefault(name, []).append((self.headers["traceparent"] or "--").split("-")[1])
            shop.asked.setdefault(name, []).append(time.monotonic())
            if name in shop.hold:
                shop.hold[name].wait(30)
            status = shop.status.get(name, 200)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"ok" if status == 200 else "재고 서버가 응답하지 않습니다\nat line 2".encode())

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 200

        def handle_error(self, *_: object) -> None:
            """Say nothing of askers that were killed."""

    with Server(("127.0.0.1", 0), Counter) as server:
        shop.port = server.server_port
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield shop
        finally:
            for event in shop.hold.values():
                event.set()
            server.shutdown()


@dataclass
class Silence:
    """A server that takes connections and never says anything."""

    port: int
    heard: list[socket.socket] = field(default_factory=list)
    """All connections there were: one for each look that was begun."""


@contextmanager
def silent_target() -> Iterator[Silence]:
    """Say nothing on a free port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        silence = Silence(listener.getsockname()[1])

        def take() -> None:
            with suppress(OSError):  # it is shut down
                while True:
                    silence.heard.append(listener.accept()[0])

        taking = Thread(target=take, daemon=True)
        taking.start()
        try:
            yield silence
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            taking.join()
            for connection in silence.heard:
                connection.close()


def owner_of(port: int, pids: list[int]) -> int | None:
    """Return which of these processes has a TCP connection from a local port (proc(5))."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {f"socket:[{fields[9]}]" for fields in lines if int(fields[1].rpartition(":")[2], 16) == port}
    return next((pid for pid in pids if sockets & set(_open_files(pid))), None)


def _open_files(pid: int) -> Iterator[str]:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield str(file.readlink())
        except OSError:
            continue
