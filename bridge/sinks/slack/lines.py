"""Kept connections to one address: opened by Python's `http.client`, answers read by the parser that receivers have.

Urllib3 takes 230 µs of CPU for a request, `http.client` 90, this 20: a storm of messages is made of little else.
"""

from __future__ import annotations

import select
import ssl
import time
import weakref
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from httptools import HttpParserError, HttpResponseParser

IDLE = 10.0
"""Seconds after which kept connections are not trusted any more: a firewall may have forgotten them without a word."""
KEPT = 16
"""Connections that are kept at the most."""
LIMIT = 16 << 20
"""Bytes of an answer."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Lines:
    """Connections to one address, through the proxy that the environment names (HTTPS_PROXY, NO_PROXY), if any.

    Safe to use from any thread. Nothing is waited for longer than `timeout` seconds.
    """

    def __init__(self, url: str, timeout: float, tls: Callable[[], ssl.SSLContext]) -> None:
        self.free: deque[Line] = deque(maxlen=KEPT)
        weakref.finalize(self, _close, self.free)
        self._to = urlsplit(url)
        proxy = "" if proxy_bypass(self._to.hostname or "") else getproxies().get(self._to.scheme, "")
        self._proxy = urlsplit(proxy if "://" in proxy or not proxy else f"http://{proxy}")
        self._timeout, self._tls = timeout, tls
        plain = self._to.scheme == "http" and proxy  # over TLS a proxy only hands on what it can't read
        self._before = f"http://{self._to.netloc}" if plain else ""
        self._own = {"Host": self._to.netloc.rpartition("@")[2]} | (_login(self._proxy) if plain else {})

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return the answer; raises URLError when it certainly was not sent, else OSError."""
        line, kept = self._line(), False
        try:
            answer, kept = line.ask(_request(self._before + path, {**self._own, **headers}, body), self._timeout)
        finally:
            if kept and len(self.free) < KEPT:
                self.free.append(line)
            else:
                line.close()
        return answer

    def clear(self) -> None:
        """Close what is kept."""
        _close(self.free)

    def _line(self) -> Line:
        """Return the connection that was used last, if it can be trusted, else a new one."""
        while True:
            try:
                line = self.free.pop()
            except IndexError:
                return Line(self._opened())
            if line.trusted():
                return line
            line.close()

    def _opened(self) -> HTTPConnection:
        """Return a new connection; raises URLError if none came to be."""
        try:
            connection = self._connection()
            connection.connect()
        except (OSError, HTTPException, ValueError) as error:
            raise URLError(error if isinstance(error, OSError) else OSError(str(error))) from error
        return connection

    def _connection(self) -> HTTPConnection:
        if self._proxy.scheme == "https":
            raise OSError("the proxy is to be spoken to in plain HTTP: write http://… into HTTPS_PROXY")
        through = self._proxy if self._proxy.hostname else self._to
        host, port = through.hostname or "", through.port
        if self._to.scheme == "http":
            return HTTPConnection(host, port or 80, timeout=self._timeout)
        port = port or (443 if through is self._to else 80)
        connection = HTTPSConnection(host, port, timeout=self._timeout, context=self._tls())
        if through is self._proxy:
            connection.set_tunnel(self._to.hostname or "", self._to.port or 443, _login(self._proxy))
        return connection


def _request(target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a POST; raises ValueError for a header that would break it."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if lines.count("\r") != len(headers) or lines.count("\n") != len(headers):
        raise ValueError("a header has more than one line")
    target = quote(target, safe="/%:@!$&'()*+,;=~-._")
    head = f"POST {target} HTTP/1.1\r\n{lines}Accept-Encoding: identity\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


def _close(lines: deque[Line]) -> None:
    while lines:
        lines.pop().close()


def _login(proxy: SplitResult) -> dict[str, str]:
    """Return the header by which a proxy knows who comes, if its address has a name and a password."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


class Line:
    """One connection."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._used = 0.0
        self._poll = select.poll()
        self._poll.register(connection.sock, select.POLLIN)

    def trusted(self) -> bool:
        """Return whether the other side, as far as is known, still listens."""
        return time.monotonic() - self._used < IDLE and not self._poll.poll(0)

    def ask(self, request: bytes, timeout: float) -> tuple[Answer, bool]:
        """Return the answer, and whether another request may follow; raises OSError."""
        until, sock, found = time.monotonic() + timeout, self._connection.sock, _Found()
        parser = HttpResponseParser(found)
        self._connection.send(request)  # not the socket's own: the fence listens here
        while not (found.whole and parser.get_status_code() >= 200):
            data = sock.recv(65536)
            self._used = time.monotonic()
            if not data:
                found.end()
                break
            try:
                parser.feed_data(data)
            except HttpParserError as error:
                raise OSError(f"the answer is no HTTP: {error}") from error
            found.take(len(data))
            sock.settimeout(max(until - self._used, 0.01))
        sock.settimeout(timeout)
        kept = found.whole and parser.get_http_version() == "1.1" and found.headers.get("connection") != "close"
        return Answer(parser.get_status_code(), found.headers, b"".join(found.body)), kept

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class _Found:
    """What the parser found of an answer; of several in a row (100 Continue, then 200) of the last."""

    def __init__(self) -> None:
        self.whole = self._headed = False
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self._size = 0

    def take(self, size: int) -> None:
        """Count what was read; raises OSError when that is too much."""
        self._size += size
        if self._size > LIMIT:
            raise OSError(f"the answer is larger than {LIMIT} bytes")

    def end(self) -> None:
        """Take the connection's end for the answer's, where nothing else says where that is; raises OSError."""
        if self.whole or not self._headed or {"content-length", "transfer-encoding"} & self.headers.keys():
            raise ConnectionResetError("the connection was closed before the answer was whole")

    def on_message_begin(self) -> None:
        """For the parser."""
        self.whole = self._headed = False
        self.headers, self.body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        """For the parser."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """For the parser."""
        self._headed = True

    def on_body(self, data: bytes) -> None:
        """For the parser."""
        self.body.append(data)

    def on_message_complete(self) -> None:
        """For the parser."""
        self.whole = True
