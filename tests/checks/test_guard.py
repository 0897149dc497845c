"""Where checks may go, whatever leads them there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.checks import CHECKS, resolver
from bridge.checks.guard import METADATA, Address, permit, special
from bridge.checks.looking import Wrong
from bridge.domain.observation import Fault, Observation
from tests.checks.name_server import NameServer, Zone, name_server
from tests.checks.targets import Target, answer, look, target

EMBEDDINGS: list[Callable[[int], int]] = [
    lambda v4: 0xFFFF << 32 | v4,  # ::ffff:a.b.c.d
    lambda v4: v4,  # ::a.b.c.d
    lambda v4: 0x64FF9B << 96 | v4,  # NAT64
    lambda v4: 0x2002 << 112 | v4 << 80,  # 6to4
    lambda v4: 0x20010000 << 96 | v4 << 64,  # Teredo's server
    lambda v4: 0x20010000 << 96 | ~v4 & 0xFFFFFFFF,  # Teredo's client
    lambda v4: 0x2606 << 112 | 0x5EFE << 32 | v4,  # ISATAP
    lambda v4: 0x64FF9B0001 << 80 | v4,  # NAT64 under a prefix for local use
    lambda v4: 0xFFFF << 48 | v4,  # ::ffff:0:a.b.c.d
]


def verdict(address: Address | str, *, allow_private: bool = False) -> str:
    try:
        permit(ip_address(str(address)), allow_private=allow_private)
    except Wrong as wrong:
        return f"{wrong.fault}: {wrong.got}"
    return ""


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_free(address: str) -> None:
    assert verdict(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
        ),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.0.0.8", "240.0.0.1"),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "64:ff9b:1::1",
            "fec0::1",
            "2002:808:808::1",
        ),
    ],
)
def test_what_is_not_public_is_asked_for_by_name(address: str) -> None:
    assert "set allow_private: true" in verdict(address)
    assert verdict(address, allow_private=True) == ""


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_no_way_around(address: IPv4Address) -> None:
    for embed in EMBEDDINGS if special(address) else ():
        assert verdict(IPv6Address(embed(int(address))))


@given(st.ip_addresses())
def test_nothing_is_public_here_that_is_not_public_for_python(address: Address) -> None:
    assert address.is_global or verdict(address)


@pytest.mark.parametrize("address", sorted(METADATA, key=str), ids=str)
def test_metadata_addresses_are_never_asked_in_any_form(address: Address) -> None:
    assert "no check may go there" in verdict(address, allow_private=True)
    assert "no check may go there" in verdict(f"{address}%1" if address.version == 6 else address, allow_private=True)
    if isinstance(address, IPv4Address):
        for embed in EMBEDDINGS:
            assert "no check may go there" in verdict(IPv6Address(embed(int(address))), allow_private=True)
        under_a_prefix_of_the_networks_own = IPv6Address(0x2606 << 112 | int(address))  # NAT64: RFC 6052
        assert "no check may go there" in verdict(under_a_prefix_of_the_networks_own)


def at(kind: str, host: str, port: int = 80) -> dict[str, Any]:
    return {"url": f"http://{host}:{port}/"} if kind == "http" else {"host": host, "port": port}


@pytest.mark.parametrize("kind", ["http", "tcp", "tls"])
@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "100.100.100.200"])
def test_check_config_refuses_a_metadata_address(kind: str, host: str) -> None:
    with pytest.raises(ValidationError, match="no check may go there"):
        CHECKS[kind].Options.model_validate({**at(kind, host), "allow_private": True})


ZONE: Zone = {
    ("inside.example.com", "A"): ["127.0.0.1"],
    ("six.example.com", "AAAA"): ["::ffff:127.0.0.1"],
    ("metadata.example.com", "A"): ["169.254.169.254"],
    ("both.example.com", "A"): ["127.0.0.1", "169.254.169.254"],
    ("mixed.example.com", "A"): ["8.8.8.8", "10.0.0.1"],
}
Act = Callable[[Target, NameServer], Any]


def with_names(act: Act, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    """Run `act` with a target and with a name server that is this machine's."""

    async def run() -> Any:
        async with target(answer()) as one, name_server(ZONE, **more) as server:
            monkeypatch.setattr(resolver, "system", server.resolver)
            return await act(one, server)

    return asyncio.run(run())


@pytest.mark.parametrize("kind", ["http", "tcp", "tls"])
@pytest.mark.parametrize(
    ("host", "allow_private", "said"),
    [
        ("inside.example.com", False, "127.0.0.1 is loopback: set allow_private: true"),
        ("six.example.com", False, "set allow_private: true"),
        ("mixed.example.com", False, "10.0.0.1 is private: set allow_private: true"),
        ("metadata.example.com", True, "169.254.169.254 is where a cloud hands out its credentials"),
        ("both.example.com", True, "169.254.169.254 is where a cloud hands out its credentials"),
    ],
)
def test_a_name_is_judged_by_where_it_leads(
    kind: str, host: str, allow_private: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(one: Target, _: NameServer) -> None:
        seen = await look(kind, **at(kind, host, one.port), allow_private=allow_private)
        assert seen.fault is Fault.REFUSED
        assert said in seen.got
        assert not one.met

    with_names(act, monkeypatch)


def test_the_connection_goes_to_the_very_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("rebinding.example.com", "A")

    async def act(one: Target, server: NameServer) -> tuple[Observation, Observation]:
        url = f"http://rebinding.example.com:{one.port}/"
        first = await look("http", url=url)
        assert server.asked == [asked]
        return first, await look("http", url=url)

    first, second = with_names(act, monkeypatch, turns={asked: [["127.0.0.1"], ["169.254.169.254"]]})
    assert first.ok
    assert second.fault is Fault.REFUSED


@pytest.mark.parametrize(
    "place",
    [
        *("http://169.254.169.254/latest/meta-data/", "//169.254.169.254/", "http://metadata.example.com/"),
        *("http://[::ffff:a9fe:a9fe]/", "http://[fd00:ec2::254]/"),
    ],
)
def test_no_redirect_leads_to_a_metadata_address(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(one: Target, server: NameServer) -> Observation:
        async with target(answer(b"", "302 Found", f"Location: {place}")) as redirecting:
            return await look("http", url=redirecting.url)

    seen: Observation = with_names(act, monkeypatch)
    assert seen.fault is Fault.REFUSED
    assert "is where a cloud hands out its credentials" in seen.got


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "x.localhost"])
def test_odd_spellings_of_the_loopback_lead_nowhere(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(one: Target, server: NameServer) -> Observation:
        return await look("http", url=f"http://{host}:{one.port}/", allow_private=False)

    seen: Observation = with_names(act, monkeypatch)
    assert seen.fault in (Fault.REFUSED, Fault.DNS)


def test_a_private_target_in_the_config_is_told_before_it_runs() -> None:
    with pytest.raises(ValidationError, match=r"10\.0\.0\.5 is private: set allow_private"):
        CHECKS["http"].Options.model_validate({"url": "https://10.0.0.5/health"})
