"""HTTP checks against targets that want to do harm, or are just broken."""

from __future__ import annotations

import asyncio
import gzip
import struct
import tracemalloc
import zlib
from datetime import timedelta
from socket import SO_LINGER, SOL_SOCKET
from time import thread_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.checks.exchange import BODY_LIMIT
from bridge.domain.observation import Fault, Observation
from tests.checks.targets import Talk, answer, look, sockets, target
from tests.conftest import free_port
from tests.machine import slowness

HEAD = b"HTTP/1.1 200 OK\r\n"


def saying(*parts: bytes, drip: float = 0, close: bool = False) -> Talk:
    """Return a target that says those bytes, the last of them again and again unless it closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(drip)
        while not close:
            writer.write(parts[-1] if parts else b"")
            await writer.drain()
            await asyncio.sleep(drip)

    return talk


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD + b"Content-Length: 100\r\n\r\nhalf of it")
    await writer.drain()


def seen(talk: Talk | bytes, timeout: float = 20, **options: Any) -> Observation:
    async def run() -> Observation:
        async with target(talk) as one:
            return await look("http", timeout, url=one.url, **options)

    before = sockets()
    found = asyncio.run(run())
    assert sockets() == before, "a socket is left"
    return found


@pytest.mark.parametrize(
    ("talk", "phase"),
    [
        (silent, "waiting for the first byte of the answer"),
        (saying(HEAD + b"X: ", b"a", drip=0.02), "waiting for the rest of the headers"),
        (saying(HEAD + b"Content-Length: 9999\r\n\r\n", b"a", drip=0.02), "waiting for the rest of the body"),
        (saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", drip=0.02), "the rest of the body"),
    ],
    ids=["nothing", "headers", "body", "chunks"],
)
def test_a_target_that_hangs_or_drips_takes_no_more_than_the_time(talk: Talk, phase: str) -> None:
    found = seen(talk, 1)

    assert found.fault is Fault.TIMEOUT
    assert found.got.startswith("no answer within 1 s while ")
    assert phase in found.got
    assert found.took < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("talk", "got"),
    [
        (resetting, "the target closed the connection before it answered"),
        (half, "the target closed the connection in the middle of the answer"),
        (saying(b"", close=True), "the target closed the connection before it answered"),
        (saying(HEAD + b"X: 1\r\n", close=True), "the target closed the connection in the middle of the answer"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n", close=True), "what came is not HTTP: SSH-2.0-OpenSSH_9.6"),
        (saying(b"\x00\xff\x15\x03\x01" * 100, close=True), "what came is not HTTP: "),
        (
            saying(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", close=True),
            "breaks the rules of HTTP/1.1",
        ),
        (saying(HEAD + b"X: " + b"a" * 300_000), "the headers have no end"),
        (saying(HEAD, b"X-More: " + b"b" * 100 + b"\r\n"), "the headers have no end"),
        (saying(b"HTTP/1.1 100 Continue\r\n\r\n"), "the headers have no end"),
        (saying(b"\r\n" * 1000), "what came is not HTTP: no text"),
        (answer(b"not gzip", "200 OK", "Content-Encoding: gzip"), "the body is not gzip, as its headers say"),
    ],
)
def test_what_is_no_answer_is_told(talk: Talk | bytes, got: str) -> None:
    found = seen(talk)
    assert found.fault is Fault.PROTOCOL
    assert got in found.got
    assert found.got.isprintable()


def test_a_closed_port_is_told() -> None:
    port = free_port()
    found = asyncio.run(look("http", url=f"http://127.0.0.1:{port}"))
    assert found.fault is Fault.CONNECT
    assert found.got == f"127.0.0.1:{port} refused the connection"


def bomb() -> bytes:
    """64 MiB of blanks in 64 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(64)) + packer.flush()


def test_a_gzip_bomb_is_not_inflated() -> None:
    sent = bomb()
    tracemalloc.start()
    try:
        found = seen(answer(sent, "200 OK", "Content-Encoding: gzip"), contains="x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found.fault is Fault.BODY
    assert "in its first 64 KiB" in found.got
    assert peak < 20 << 20


def test_a_body_without_end_is_left_after_64_kib() -> None:
    found = seen(saying(HEAD + b"\r\n", b"x" * 65536), contains="x")
    assert found.ok, found
    found = seen(saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 1000), contains="b")
    assert found.fault is Fault.BODY


@pytest.mark.parametrize("size", [BODY_LIMIT - 2, BODY_LIMIT - 1])
@pytest.mark.parametrize("packed", [False, True])
def test_the_limit_is_where_it_is_said_to_be(size: int, packed: bool) -> None:
    body = b"x" * size + b"ok"
    sent = answer(gzip.compress(body), "200 OK", "Content-Encoding: gzip") if packed else answer(body)
    assert seen(sent, contains="ok").ok is (len(body) <= BODY_LIMIT)


async def _others(hostile: list[Talk]) -> float:
    """Return the most computing that was done without letting others run, by looks at these."""
    longest, last = 0.0, thread_time()

    async def tick() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    for talk in hostile:
        async with target(talk) as one:
            await look("http", 0.5, url=one.url)
    ticking.cancel()
    return longest


def test_no_target_holds_up_the_others() -> None:
    hostile = [
        saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
        saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 10_000),
        saying(HEAD, b"a: b\r\n" * 10_000),
    ]
    assert min(asyncio.run(_others(hostile)) for _ in range(3)) < 0.15 * slowness()


async def _cancelled(talk: Talk) -> None:
    async with target(talk) as one:
        task = asyncio.create_task(look("http", 10, url=one.url))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("talk", [silent, saying(HEAD + b"\r\n", b"x", drip=0.01)], ids=["silent", "dripping"])
def test_a_look_that_is_cancelled_leaves_no_socket(talk: Talk) -> None:
    before = sockets()
    asyncio.run(_cancelled(talk))
    assert sockets() == before


async def _tls_hanging() -> tuple[Observation, Observation]:
    async with target(silent) as one:
        url = one.url.replace("http", "https")
        task = asyncio.create_task(look("tls", 10, host="127.0.0.1", port=one.port))
        found = await look("http", 1, url=url)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return found, found


def test_a_handshake_that_hangs_ends_with_the_time_and_leaves_no_socket() -> None:
    before = sockets()
    found, _ = asyncio.run(_tls_hanging())
    assert found.got == "no answer within 1 s while waiting for TLS"
    assert sockets() == before


PIECES = st.sampled_from(
    [
        *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"200 OK", b"302 Found", b"101 Switching", b"204 None"),
        *(b"\r\n", b"\n", b"\r\n\r\n", b"\0"),
        *(b"Content-Length: ", b"-1", b"5", b"99999999999999999999", b"Transfer-Encoding: chunked", b"0\r\n\r\n"),
        *(b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Type: text/html; charset=", b"zip", b"utf-16"),
        *(b"Location: ", b"//", b"http://[::1", b"http://\xff/", b"ftp://x/", b"/x?y#z"),
        *(b"Set-Cookie: ", b"a=b; Domain=."),
        *(b"{", b'"a":', b"[" * 300, b"1e999", b"\xed\xa0\x80", b"\xff\xfe", b"hello", b"Connection: upgrade"),
    ]
)


async def _any(raw: bytes, options: dict[str, Any]) -> Observation:
    async with target(saying(raw, close=True)) as one:
        return await look("http", 20, url=one.url, **options)


@settings(max_examples=150)
@given(
    raw=st.lists(PIECES | st.binary(max_size=20), max_size=25).map(b"".join),
    started=st.booleans(),
    options=st.sampled_from([{}, {"json": {"a": 1}}, {"matches": "a.c"}, {"method": "HEAD"}, {"redirects": 0}]),
)
def test_whatever_comes_is_an_observation(raw: bytes, started: bool, options: dict[str, Any]) -> None:
    found = asyncio.run(_any((HEAD if started else b"") + raw, options))
    assert found.got
    assert "\n" not in found.got
    assert all(value.isprintable() for value in found.facts.values())
    found.got.encode()
