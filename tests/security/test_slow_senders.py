"""Senders that never finish: each loses its connection, and nobody else waits for them."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from bridge.web.protocol import HEAD_LIMIT, Punctual, make_room
from tests.sandbox_server import running


class Impatient(Punctual):
    """The same with a test's patience."""

    head_within = 0.3
    whole_within = 0.6


class Patient(Punctual):
    """The same with time for a slow machine."""

    head_within = 60
    whole_within = 60


class Brisk(Patient):
    """Closes a connection on which nothing comes for long, unless that is between two requests."""

    head_within = 1.5


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 once the body is there; /at-once does not wait for it."""
    more = scope["path"] != "/at-once"
    while more:
        more = (await receive()).get("more_body", False)
    await PlainTextResponse("ok")(scope, receive, send)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(application, http=Impatient) as address:
        yield address


@pytest.fixture(scope="module")
def patient_url() -> Iterator[str]:
    with running(application, http=Patient) as address:
        yield address


@contextmanager
def connected(url: str, *sent: bytes) -> Iterator[socket.socket]:
    where = urlsplit(url)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=60) as connection:
        for part in sent:
            connection.sendall(part)
        yield connection


def answer(connection: socket.socket) -> bytes:
    """Everything until the other side hangs up."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize("sent", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_headers_that_never_end_lose_the_connection(url: str, sent: bytes) -> None:
    began = time.monotonic()
    with connected(url, sent) as connection:
        said = answer(connection)

    assert time.monotonic() - began < 30
    assert said.startswith(b"HTTP/1.1 408 ") if sent else said == b""


@pytest.mark.parametrize("sent", [b"", b'{"a":'])
def test_a_body_that_does_not_come_is_answered_408_and_hung_up_on(url: str, sent: bytes) -> None:
    with connected(url, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n" + sent) as connection:
        assert answer(connection).startswith(b"HTTP/1.1 408 ")


def lasts(connection: socket.socket, drop: bytes) -> float:
    """How many seconds one may go on dripping before the connection is closed; at most a minute."""
    began = time.monotonic()
    try:
        while time.monotonic() - began < 60:
            connection.sendall(drop)
            time.sleep(0.02)
    except OSError:
        pass
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (b"GET / HTTP/1.1\r\n", b"X-Drip: 1\r\n"),
        (b"", b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
        (b"POST /at-once HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["headers", "blank lines", "blank lines after an answer", "a body after its answer"],
)
def test_a_drop_at_a_time_gives_no_more_time(url: str, before: bytes, drop: bytes) -> None:
    with connected(url, before) as connection:
        assert lasts(connection, drop) < 30


@pytest.mark.parametrize(
    "head", [b"GET /%s HTTP/1.1\r\n" % (b"a" * 2 * HEAD_LIMIT), b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * HEAD_LIMIT]
)
def test_headers_without_end_are_refused(patient_url: str, head: bytes) -> None:
    with connected(patient_url) as connection:
        try:
            connection.sendall(head)
        except OSError:
            return  # refused while we were still sending
        said = answer(connection)

    assert said[:12] in (b"", b"HTTP/1.1 431")


class Crowded(Punctual):
    """Room for eight connections, and all the time in the world."""

    head_within = 60
    most = 8


def test_more_connections_than_there_is_room_for_cost_the_slow_ones() -> None:
    with running(application, http=Crowded) as address, ExitStack() as stack:
        slow = []
        for _ in range(40):
            slow.append(stack.enter_context(connected(address, b"POST / HTTP/1.1\r\n")))
            assert httpx.post(f"{address}/", content=b"x", timeout=60, trust_env=False).text == "ok"
        assert answer(slow[0]) == b"", "who waited longest was closed"
        slow[-1].sendall(b"Host: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert answer(slow[-1]).startswith(b"HTTP/1.1 200 "), "who came last was not"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: +4",
        b"Content-Length: 0x4",
        b"Content-Length: 99999999999999999999999",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked\r\n X: y",
    ],
)
def test_a_request_whose_end_could_be_read_in_two_ways_is_refused(patient_url: str, framing: bytes) -> None:
    """Else a proxy and the receiver could disagree on where the next sender's request begins (RFC 9112, 6.3)."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n0\r\n\r\nGET /at-once HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(patient_url, request) as connection:
        said = answer(connection)

    assert said.startswith(b"HTTP/1.1 400 "), said
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_quick_sender_may_keep_its_connection() -> None:
    with running(application, http=Brisk) as url, httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(2):
            assert client.post(f"{url}/", content=b"x" * 100_000).text == "ok"
            time.sleep(1.6)  # longer than a head may take


def test_the_limit_of_open_files_leaves_room_for_the_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert make_room(1000) == 1000
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
