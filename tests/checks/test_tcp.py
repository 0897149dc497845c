"""TCP checks against real ports."""

from __future__ import annotations

import asyncio
from time import thread_time
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.checks import CHECKS
from bridge.checks.tcp import READ_LIMIT
from bridge.domain.observation import Fault, Observation
from tests.checks.targets import Talk, look, sockets, target
from tests.conftest import free_port
from tests.machine import slowness


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(100):
        writer.write(b"you said " + some)
        await writer.drain()


async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await reader.read()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def seen(talk: Talk, timeout: float = 5, **options: Any) -> Observation:
    async def run() -> Observation:
        async with target(talk) as one:
            return await look("tcp", timeout, host="127.0.0.1", port=one.port, **options)

    return asyncio.run(run())


def test_a_port_that_takes_a_connection_is_well() -> None:
    found = seen(silent)
    assert found.ok
    assert found.expected == "a connection"
    assert found.got.startswith("connected after ")


def test_an_answer_is_waited_for() -> None:
    assert seen(greeting, expect="220 ").facts["Answer"] == "220 mail.example.com ESMTP"
    assert seen(echo, send="PING\r\n", expect="said PING").ok


def test_what_is_sent_is_not_shown() -> None:
    found = seen(echo, send="AUTH hunter2\r\n", expect="hunter")
    assert found.ok
    assert found.facts["Answer"] == "you said ***"


def test_an_answer_in_many_pieces_costs_no_more_than_one_in_one() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(READ_LIMIT):
            writer.write(b"\n")
            await writer.drain()
            await asyncio.sleep(0)

    def cost() -> float:
        began = thread_time()
        assert not seen(drips, timeout=20, expect="never").ok
        return thread_time() - began

    assert min(cost() for _ in range(2)) < 1 * slowness()


def test_a_word_of_what_is_sent_is_not_shown_either() -> None:
    async def complains(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR wrong password " + (await reader.read(100)).split()[1] + b"\r\n")

    found = seen(complains, send="AUTH hunter2hunter2\r\nPING\r\n", expect="PONG")
    assert found.facts["Answer"] == "-ERR wrong password ***"


@pytest.mark.parametrize(
    ("talk", "options", "fault", "got"),
    [
        (silent, {"expect": "220"}, Fault.TIMEOUT, "no answer within 1 s while waiting for the answer"),
        (greeting, {"expect": "250"}, Fault.TIMEOUT, "while waiting for the answer"),
        (talkative, {"expect": "220"}, Fault.BODY, 'the answer does not hold "220"'),
        (resetting, {"expect": "220", "send": "x"}, Fault.PROTOCOL, "closed the connection without an answer"),
        (resetting, {"expect": "220", "send": "xyz" * 100_000}, Fault.PROTOCOL, "reset the connection"),
    ],
)
def test_what_is_not_as_expected_is_told(talk: Talk, options: dict[str, Any], fault: Fault, got: str) -> None:
    before = sockets()
    found = seen(talk, 1 if fault is Fault.TIMEOUT else 20, **options)
    assert (found.fault, got in found.got) == (fault, True), found
    assert sockets() == before


def test_a_closed_port_is_told() -> None:
    port = free_port()
    found = asyncio.run(look("tcp", host="127.0.0.1", port=port))
    assert found.fault is Fault.CONNECT
    assert found.got == f"127.0.0.1:{port} refused the connection"


async def _v6() -> Observation:
    async with target(silent, host="::1") as one:
        return await look("tcp", host="[::1]", port=one.port)


def test_ipv6_is_spoken() -> None:
    found = asyncio.run(_v6())
    assert found.ok
    assert found.facts["Address"].startswith("[::1]:")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "10.1.2.3", "port": 80}, "allow_private"),
        ({"host": "169.254.169.254", "port": 80, "allow_private": True}, "no check may go there"),
        ({"host": "exa mple", "port": 80}, "is no host"),
        ({"host": "fe80::1%eth0", "port": 80}, "zone"),
        ({"host": "example.com", "port": 0}, "greater than or equal to 1"),
    ],
    ids=str,
)
def test_a_mistake_in_the_config_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CHECKS["tcp"].Options.model_validate(options)
