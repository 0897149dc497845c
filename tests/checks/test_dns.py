"""DNS checks against a name server on the loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.rcode
import pytest
from pydantic import ValidationError

from bridge.checks import CHECKS
from bridge.domain.observation import Fault, Observation
from tests.checks.name_server import Zone, name_server
from tests.checks.targets import look, sockets

ZONE: Zone = {
    ("shop.example.com", "A"): ["198.51.100.7", "198.51.100.8"],
    ("shop.example.com", "AAAA"): ["2001:db8::7"],
    ("shop.example.com", "MX"): ["10 mail.example.com.", "20 mail2.example.com."],
    ("shop.example.com", "TXT"): ['"v=spf1 " "-all"'],
    ("www.example.com", "CNAME"): ["Shop.example.com."],
    ("empty.example.com", "TXT"): ['"here"'],
    ("8.100.51.198.in-addr.arpa", "PTR"): ["shop.example.com."],
}


def seen(rcode: int = 0, zone: Zone | None = ZONE, timeout: float = 20, **options: Any) -> Observation:
    async def run() -> Observation:
        async with name_server(zone, rcode) as server:
            return await look("dns", timeout, servers=[f"127.0.0.1:{server.port}"], **options)

    return asyncio.run(run())


def test_records_are_told() -> None:
    found = seen(name="shop.example.com")

    assert found.ok, found
    assert found.expected == "A records"
    assert found.got.startswith("2 records after ")
    assert found.facts["Records"] == "198.51.100.7, 198.51.100.8"
    assert found.facts["TTL"] == "60 s"
    assert found.trace_id == ""


@pytest.mark.parametrize(
    "options",
    [
        {"name": "shop.example.com", "equals": ["198.51.100.8", "198.51.100.7"]},
        {"name": "shop.example.com", "contains": ["198.51.100.8"]},
        {"name": "shop.example.com", "type": "AAAA", "equals": ["2001:DB8:0::7"]},
        {"name": "shop.example.com.", "type": "MX", "equals": ["mail.example.com", "20 mail2.example.com."]},
        {"name": "shop.example.com", "type": "TXT", "equals": ["v=spf1 -all"]},
        {"name": "www.example.com", "type": "CNAME", "equals": ["shop.example.com"]},
        {"name": "198.51.100.8", "type": "PTR", "contains": ["shop.example.com"]},
        {"name": "nothing.example.com", "equals": []},
        {"name": "empty.example.com", "equals": []},
    ],
    ids=str,
)
def test_expected_records_are_compared_as_people_write_them(options: dict[str, Any]) -> None:
    found = seen(**options)
    assert found.ok, found


@pytest.mark.parametrize(
    ("options", "fault", "got"),
    [
        ({"name": "nothing.example.com"}, Fault.DNS, "nothing.example.com does not exist"),
        ({"name": "empty.example.com"}, Fault.DNS, "empty.example.com has no A records"),
        ({"name": "shop.example.com", "equals": ["198.51.100.7"]}, Fault.BODY, "not expected: 198.51.100.8"),
        ({"name": "shop.example.com", "contains": ["198.51.100.9"]}, Fault.BODY, "198.51.100.9 is not among"),
        ({"name": "shop.example.com", "equals": []}, Fault.BODY, "not expected: 198.51.100.7, 198.51.100.8"),
        ({"name": "shop.example.com", "type": "TXT", "equals": ["V=SPF1 -all"]}, Fault.BODY, "is not among"),
        ({"name": "shop.example.com", "slower_than": "0.01ms"}, Fault.SLOW, "2 records after"),
    ],
    ids=str,
)
def test_what_is_not_as_expected_is_told(options: dict[str, Any], fault: Fault, got: str) -> None:
    found = seen(**options)
    assert found.fault is fault
    assert got in found.got


def test_a_server_that_fails_is_told_with_its_code() -> None:
    found = seen(rcode=dns.rcode.SERVFAIL, name="shop.example.com")
    assert found.fault is Fault.DNS
    assert "SERVFAIL" in found.got


def test_a_silent_server_ends_with_the_time_and_leaves_no_socket() -> None:
    before = sockets()
    found = seen(zone=None, timeout=1, name="shop.example.com")

    assert found.fault is Fault.TIMEOUT
    assert found.got == "no answer within 1 s while resolving shop.example.com"
    assert sockets() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "a b"}, "is no host"),
        ({"name": "x.example", "servers": ["dns.example.com"]}, "no address of a name server"),
        ({"name": "x.example", "servers": ["10.0.0.53"]}, "allow_private"),
        ({"name": "x.example", "servers": ["169.254.169.254"]}, "no check may go there"),
        ({"name": "x.example", "type": "AXFR"}, "'AAAA'"),
    ],
    ids=str,
)
def test_a_mistake_in_the_config_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CHECKS["dns"].Options.model_validate(options)
