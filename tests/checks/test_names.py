"""From a name to the address that is spoken to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.checks import names, resolver
from bridge.domain.observation import Fault, Observation
from tests.checks.name_server import NameServer, Zone, name_server
from tests.checks.targets import Target, answer, look, target

ZONE: Zone = {
    ("two.example.com", "A"): ["127.0.0.2", "127.0.0.1"],
    ("six.example.com", "AAAA"): ["::1"],
    ("dual.example.com", "A"): ["127.0.0.1"],
    ("dual.example.com", "AAAA"): ["::1"],
    ("text.example.com", "TXT"): ['"no address"'],
    ("shop.prod.example.com", "A"): ["127.0.0.1"],
}
Act = Callable[[Target, NameServer], Awaitable[Observation]]


def seen(monkeypatch: pytest.MonkeyPatch, act: Act, host: str = "127.0.0.1") -> Observation:
    async def run() -> Observation:
        async with target(answer(), host=host) as one, name_server(ZONE) as server:
            monkeypatch.setattr(resolver, "system", server.resolver)
            return await act(one, server)

    return asyncio.run(run())


def asked_for(name: str, **options: object) -> Act:
    async def act(one: Target, server: NameServer) -> Observation:
        return await look("http", url=f"http://{name}:{one.port}/", **options)

    return act


def test_an_address_that_refuses_is_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = seen(monkeypatch, asked_for("two.example.com"))
    assert found.ok, found
    assert found.facts["Address"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("name", "options", "address"),
    [
        ("six.example.com", {}, "[::1]:"),
        ("dual.example.com", {"ip_version": 6}, "[::1]:"),
        ("localhost", {"ip_version": 6}, "[::1]:"),
        ("[::1]", {}, "[::1]:"),
    ],
)
def test_ipv6_is_spoken_where_there_is_nothing_else_or_it_is_wanted(
    name: str, options: dict[str, object], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seen(monkeypatch, asked_for(name, **options), host="::1")
    assert found.ok, found
    assert found.facts["Address"].startswith(address)


@pytest.mark.parametrize(
    ("name", "options", "got"),
    [
        ("nothing.example.com", {}, "nothing.example.com does not exist"),
        ("text.example.com", {}, "text.example.com has no address"),
        ("six.example.com", {"ip_version": 4}, "six.example.com has no IPv4 address"),
        ("a" * 64 + ".example.com", {}, "can't be resolved (LabelTooLong)"),
    ],
)
def test_a_name_without_an_address_is_told(
    name: str, options: dict[str, object], got: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seen(monkeypatch, asked_for(name, **options))
    assert found.fault is Fault.DNS
    assert got in found.got
    assert "Address" not in found.facts


def test_the_hosts_file_comes_first_and_is_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    monkeypatch.setattr(names, "HOSTS", hosts)

    async def act(one: Target, server: NameServer) -> Observation:
        hosts.write_text("# mine\n127.0.0.1 Shop shop.internal # here\n::1 shop\nnonsense\n")
        assert (await look("http", url=f"http://shop.internal:{one.port}/")).ok
        hosts.write_text("127.0.0.9 other.internal\n")
        assert not server.asked
        return await look("http", url=f"http://shop.internal:{one.port}/")

    assert seen(monkeypatch, act).got == "shop.internal does not exist"


def test_the_search_list_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\nsearch prod.example.com\noptions ndots:2\n")
    monkeypatch.setattr(resolver, "RESOLV_CONF", conf)
    system = resolver.system

    async def run() -> Observation:
        async with target(answer()) as one, name_server(ZONE) as server:
            system().nameservers = server.resolver().nameservers
            return await look("http", url=f"http://shop:{one.port}/")

    assert asyncio.run(run()).ok


def test_a_machine_without_resolv_conf_asks_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resolver, "RESOLV_CONF", tmp_path / "none")
    assert [str(one) for one in resolver.system().nameservers] == ["Do53:127.0.0.1@53"]


@pytest.mark.parametrize(
    "place",
    [
        "http://a..b/",
        "http://-/",
        "http://.../",
        "http://xn--/",
        "http://a_b/",
        "http://%00/",
        "http://1.2.3.4.5/",
        "//",
    ],
)
def test_a_redirect_to_an_odd_host_is_an_observation(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(one: Target, server: NameServer) -> Observation:
        async with target(answer(b"", "302 Found", f"Location: {place}")) as redirecting:
            return await look("http", url=redirecting.url)

    assert seen(monkeypatch, act).fault in (Fault.DNS, Fault.STATUS)
