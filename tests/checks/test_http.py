"""HTTP checks against real targets on the loopback."""

from __future__ import annotations

import asyncio

from bridge.domain.observation import Fault
from tests.checks.targets import NOW, TRACE, answer, look, target


async def _expected() -> None:
    async with target(answer(b"\n  all is well \x1b[31m\nmore")) as one:
        seen = await look("http", url=one.url)
        assert (seen.fault, seen.at, seen.trace_id) == (None, NOW, TRACE)
        assert seen.expected == "status 200-299"
        assert seen.got.startswith("HTTP 200 after ")
        assert list(seen.facts) == ["Status", "First byte", "Total", "Body", "Address"]
        assert seen.facts["Body"] == "all is well [31m"
        assert seen.facts["Address"] == f"127.0.0.1:{one.port}"


def test_what_came_is_told_in_order() -> None:
    asyncio.run(_expected())


async def _traced() -> None:
    async with target(answer()) as one:
        await look("http", url=one.url, headers={"X-Key": "s3cret", "User-Agent": "probe"})
        (head,) = one.heard
        assert f"traceparent: 00-{TRACE}-".encode() in head.lower()
        assert b"X-Key: s3cret" in head
        assert head.lower().count(b"user-agent") == 1


def test_the_request_carries_the_trace_and_the_operators_headers() -> None:
    asyncio.run(_traced())


async def _status() -> None:
    async with target(answer(b"sorry", "503 Service Unavailable")) as one:
        seen = await look("http", url=one.url)
        assert seen.fault is Fault.STATUS
        assert seen.facts["Status"] == "503 Service Unavailable"
        assert (await look("http", url=one.url, status=[200, "500-599"])).ok


def test_another_status_is_a_fault() -> None:
    asyncio.run(_status())
