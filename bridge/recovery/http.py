"""One HTTP request, made once: no redirects, no proxies, no retries, and never to a metadata address."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from threading import Timer
from urllib.parse import SplitResult, urlsplit

import msgspec

from bridge.checks import guard
from bridge.ports import Refused, RetryAt, Unsure

WITHIN = 10.0
"""Seconds for the whole request, from the connection on."""
CONNECT_WITHIN = 3.0
"""Seconds for the connection to each address that the name has."""
MOST = 64 << 10
"""Bytes of an answer that are read."""


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes
    """Its beginning."""


def is_metadata(host: str) -> bool:
    """Return whether an address may be a cloud's metadata service; False for a name."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return guard.is_metadata(address) or any(one.is_link_local for one in (address, *guard.embedded(address)))


def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    trust: ssl.SSLContext | None = None,
    within: float = WITHIN,
) -> Answer:
    """Make one request and return its answer, whatever its status.

    Raises Refused when it certainly never arrived (no such name, no connection, no TLS), Unsure when it may have.
    `trust` verifies the other side instead of the machine's own certificates.
    """
    parts = urlsplit(url)
    connection = _connected(parts, trust)
    try:
        with _ended(connection.sock, within):
            connection.request(method, _path(parts), body or None, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(MOST))
    except RetryAt as late:  # the fence: this worker was paused
        raise Refused(late.reason) from late
    except (OSError, HTTPException) as error:
        raise Unsure(f"{parts.hostname} gave no answer ({_why(error)})") from error
    finally:
        connection.close()


def _connected(parts: SplitResult, trust: ssl.SSLContext | None) -> HTTPConnection:
    connection = _connection(parts, trust)
    try:
        connection.connect()
        peer: str = connection.sock.getpeername()[0]
    except (OSError, UnicodeError) as error:  # a name that is none: two dots in a row
        connection.close()
        raise Refused(f"{parts.hostname} can't be reached ({_why(error)})") from error
    if is_metadata(peer):
        connection.close()
        raise Refused(f"{parts.hostname} is {peer}, where a cloud keeps credentials: the bridge never goes there")
    return connection


def _connection(parts: SplitResult, trust: ssl.SSLContext | None) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = trust or ssl.create_default_context()
        return HTTPSConnection(host, parts.port, timeout=CONNECT_WITHIN, context=context)
    return HTTPConnection(host, parts.port, timeout=CONNECT_WITHIN)


@contextmanager
def _ended(sock: socket.socket, within: float) -> Iterator[None]:
    """Cut the connection off after a time, however busily the other side drips."""
    sock.settimeout(within)
    timer = Timer(within, _cut, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's own, which another thread must not call
    except OSError:
        return


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def judge(answer: Answer, who: str, said: str = "") -> None:
    """Return if the status is a success; raise what it means if not.

    A 408 or 5xx leaves open whether it was done; any other failure says that it was not.
    """
    if 200 <= answer.status < 300:
        return
    reason = f"{who} answered {answer.status}{f': {said}' if said else ''}"
    if answer.status == 408 or answer.status >= 500:
        raise Unsure(reason)
    if 300 <= answer.status < 400:
        raise Refused(f"{reason}, and redirects are not followed")
    raise Refused(reason)
