"""HTTP over kept connections: opened by Python's `http.client`, answers read by the parser that the receiver uses, too.

Urllib3 takes 200 µs of CPU for a request that takes 20 here: most of what a storm of messages costs.
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

    Safe to use from any thread. Every part of a request waits `timeout` seconds at the most.
    """

    def __init__(self, url: str, timeout: float, tls: Callable[[], ssl.SSLContext]) -> None:
        self.free: deque[Line] = deque(maxlen=KEPT)
        weakref.finalize(self, _close, self.free)
        self._to = urlsplit(url)
        proxy = "" if proxy_bypass(self._to.hostname or "") else getproxies().get(self._to.scheme, "")
        self._proxy = urlsplit(proxy if "://" in proxy or not proxy else f"http://{proxy}")
        self._timeout, self._tls = timeout, tls
        named = {"host": self._to.netloc.rpartition("@")[2], "accept-encoding": "identity"}
        self._before = ""
        if self._to.scheme == "http" and proxy:
            self._before = f"http://{self._to.netloc}"
            named |= _login(self._proxy)
        self._own = "".join(f"{name}: {value}\r\n" for name, value in named.items())

    def head(self, path: str, headers: Mapping[str, str]) -> bytes:
        """Return a POST's head without the length of its body; raises ValueError for what would break it."""
        target = quote(self._before + path, safe="/%:@~!$&'()*+,;=?-._")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if lines.count("\n") != len(headers):
            raise ValueError("a header's value has more than one line")
        return f"POST {target} HTTP/1.1\r\n{self._own}{lines}".encode("latin-1")

    def ask(self, head: bytes, body: bytes) -> Answer:
        """Send a request and return the answer; raises URLError when it certainly was not sent, else OSError."""
        line, kept = self._line(), False
        try:
            answer, kept = line.ask(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body), self._timeout)
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
        self._reading = _Reading()
        self._poll = select.poll()
        self._poll.register(connection.sock, select.POLLIN)

    def trusted(self) -> bool:
        """Return whether the other side, as far as is known, still listens."""
        return time.monotonic() - self._used < IDLE and not self._poll.poll(0)

    def ask(self, request: bytes, timeout: float) -> tuple[Answer, bool]:
        """Return the answer, and whether another request may follow; raises OSError."""
        until = time.monotonic() + timeout
        sock, reading = self._connection.sock, self._reading
        reading.begin()
        self._connection.send(request)  # not the socket's own: the fence listens here
        while not reading.whole:
            data = sock.recv(65536)
            if not data:
                reading.end()
                break
            reading.feed(data)
            self._used = time.monotonic()
            if not reading.whole:
                sock.settimeout(max(until - self._used, 0.01))
        sock.settimeout(timeout)
        return reading.answer()

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class _Reading:
    """Answers that are read from one connection, one after the other; what the parser found of the newest."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Expect a new answer."""
        self.whole = self._headed = self._stays = False
        self._status = self._size = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Read on; raises OSError."""
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            raise OSError(f"the answer is no HTTP: {error}") from error
        self._size += len(data)
        if self._size > LIMIT:
            raise OSError(f"the answer is larger than {LIMIT} bytes")

    def end(self) -> None:
        """Take the connection's end for the answer's, where nothing else says where that is; raises OSError."""
        if not self._headed or {"content-length", "transfer-encoding"} & self._headers.keys():
            raise ConnectionResetError("the connection was closed before the answer was whole")

    def answer(self) -> tuple[Answer, bool]:
        """Return it, and whether the connection can be kept."""
        return Answer(self._status, self._headers, b"".join(self._parts)), self._stays

    def on_header(self, name: bytes, value: bytes) -> None:
        """For the parser."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """For the parser."""
        self._status = self._parser.get_status_code()
        self._headed = self._status >= 200

    def on_body(self, data: bytes) -> None:
        """For the parser."""
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """For the parser: an answer that another one follows (103 Early Hints) is none yet."""
        self.whole = self._headed
        self._stays = self.whole and self._parser.should_keep_alive()
        if not self.whole:
            self._headers.clear()
