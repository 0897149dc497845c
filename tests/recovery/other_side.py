"""The other side of an action: a real HTTP server that answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from bridge.domain.alert import Link
from bridge.ports import Attempt
from tests.pipeline.lever import firing
from tests.pipeline.quiet import incident_of

KEY = "recovery_ffffffffffffffffffffffff-1_1_restart"


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class OtherSide(ThreadingHTTPServer):
    """Answers each request with the next of `answers`, at the end with the last one again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"{}")]
        self.asked: list[Asked] = []
        self.silent = threading.Event()
        """Set: it drips a byte of its answer now and then, for ever."""
        self.rude = False
        """It closes the connection instead of an answer."""
        self.scheme = "http"

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of those who hang up."""


class _Answering(BaseHTTPRequestHandler):
    server: OtherSide

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.command, self.path, headers, body))
        if self.server.rude:
            self.close_connection = True
            return
        while self.server.silent.is_set():
            self.wfile.write(b"H")
            time.sleep(0.02)
        answers = self.server.answers
        status, more, text = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[OtherSide]:
    """Run one, with TLS if there is a context for it."""
    server = OtherSide()
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.silent.clear()
        server.shutdown()
        server.server_close()
        thread.join(5)


def attempt(**more: object) -> Attempt:
    """Return a run against an incident of service checkout."""
    return Attempt(
        incident=incident_of(firing(**more)),
        key=KEY,
        at=datetime(2026, 11, 21, 5, 5, tzinfo=UTC),
        links=(Link("Trace", "https://jaeger.example.com/trace/1"),),
    )
