"""Redirects: followed so far, and with what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.checks.route import COOKIE_LIMIT, COOKIES
from bridge.domain.observation import Fault, Observation
from tests.checks.targets import Target, answer, look, target


def to(place: str, status: str = "302 Found", *headers: str) -> bytes:
    return answer(b"", status, f"Location: {place}", *headers)


async def by_path(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """/3 leads to /2, to /1, to /0; /cookie leads to itself until the cookie comes back."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ")[1]
    if path == "/cookie" and "seen=yes" not in head:
        writer.write(to("/cookie", "302 Found", "Set-Cookie: seen=yes; Path=/"))
    elif path == "/cookies":
        long = "long=" + "x" * COOKIE_LIMIT
        writer.write(to("/0", "302 Found", *(f"Set-Cookie: {one}" for one in (long, *(f"c{n}=y" for n in range(99))))))
    elif path in ("/0", "/cookie"):
        writer.write(answer(head.encode()))
    else:
        writer.write(to(f"/{int(path[1:]) - 1}" if path != "/loop" else "/loop"))
    await writer.drain()


def seen(path: str, **options: Any) -> Observation:
    async def run() -> Observation:
        async with target(by_path) as one:
            return await look("http", url=one.url + path, **options)

    return asyncio.run(run())


def test_redirects_are_followed_to_the_end() -> None:
    found = seen("3")
    assert found.ok
    assert found.facts["Redirected to"].endswith("/0")


@pytest.mark.parametrize(
    ("path", "options", "got"),
    [
        ("6", {}, "HTTP 302 after"),
        ("loop", {}, "still a redirect"),
        ("3", {"redirects": 2}, "still a redirect"),
        ("1", {"redirects": False, "status": 200}, "a redirect that is not followed"),
    ],
)
def test_too_many_redirects_are_a_status(path: str, options: dict[str, Any], got: str) -> None:
    found = seen(path, **options)
    assert found.fault is Fault.STATUS
    assert got in found.got


def test_without_redirects_a_redirect_is_well() -> None:
    found = seen("1", redirects=0)
    assert found.ok
    assert found.expected == "status 200-399"


def test_of_a_flood_of_cookies_some_come_back() -> None:
    assert seen("cookies", contains=f"c{COOKIES - 1}=y").ok
    assert seen("cookies", not_contains=f"c{COOKIES}=y").ok
    assert seen("cookies", not_contains="long").ok


def test_a_cookie_on_the_way_comes_back() -> None:
    assert seen("cookie", contains="seen=yes").ok


async def _elsewhere(status: str, **options: Any) -> tuple[Observation, Target]:
    async with target(answer(b"you got here")) as other, target(to(other.url, status)) as one:
        return await look("http", url=one.url, **options), other


def test_another_host_gets_none_of_the_headers() -> None:
    found, other = asyncio.run(_elsewhere("302 Found", headers={"X-Api-Key": "s3cret"}, bearer_token="t0ken"))
    assert found.ok
    (head,) = other.heard
    assert b"s3cret" not in head
    assert b"t0ken" not in head
    assert b"traceparent: 00-" in head


def test_another_host_gets_no_body() -> None:
    found, other = asyncio.run(_elsewhere("307 Temporary Redirect", method="POST", body="password=hunter2"))
    assert found.fault is Fault.STATUS
    assert found.got.endswith(", still a redirect")
    assert not other.met


def test_a_post_becomes_a_get_when_the_target_says_so() -> None:
    found, other = asyncio.run(_elsewhere("303 See Other", method="POST", body="password=hunter2"))
    assert found.ok
    assert other.heard[0].startswith(b"GET / ")


@pytest.mark.parametrize(
    "place",
    ["ftp://127.0.0.1/", "http://", "http://[::1", "javascript:alert(1)", "http://a:b@127.0.0.1/", "h\xfft:"],
)
def test_a_redirect_to_nowhere_is_not_followed(place: str) -> None:
    async def run() -> Observation:
        async with target(to(place)) as one:
            return await look("http", url=one.url)

    found = asyncio.run(run())
    assert found.fault is Fault.STATUS
    assert found.got.endswith(", still a redirect")
