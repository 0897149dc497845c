"""Kept connections to one address, over Python's own `http.client`.

Urllib3 takes 200 µs of CPU for a request that takes 70 here: a storm of messages is made of little else.
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
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

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
        self._own = _login(self._proxy) if plain else {}

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return the answer; raises URLError when it certainly was not sent, else OSError."""
        line, kept = self._line(), False
        try:
            answer, kept = line.post(self._before + path, {**headers, **self._own}, body)
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
        self._poll = select.poll()
        self._poll.register(connection.sock, select.POLLIN)

    def trusted(self) -> bool:
        """Return whether the other side, as far as is known, still listens."""
        return time.monotonic() - self._used < IDLE and not self._poll.poll(0)

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> tuple[Answer, bool]:
        """Return the answer, and whether another request may follow; raises OSError."""
        try:
            self._connection.request("POST", target, body, headers)
            answer = self._connection.getresponse()
            read = answer.read(LIMIT + 1)
        except HTTPException as error:
            raise error if isinstance(error, OSError) else OSError(f"the answer is no HTTP: {error!r}") from error
        if answer.length and len(read) <= LIMIT:
            raise ConnectionResetError("the connection was closed before the answer was whole")
        if len(read) > LIMIT:
            raise OSError(f"the answer is larger than {LIMIT} bytes")
        self._used = time.monotonic()
        return Answer(answer.status, dict(answer.headers.items()), read), answer.isclosed() and not answer.will_close

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
