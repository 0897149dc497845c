"""TLS, of its own kind and under HTTP: certificates that are made on the spot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.observation import Fault, Observation
from tests.checks.certificates import DAY, authority, made, pem, serving
from tests.checks.targets import answer, look, target

NOW = datetime.now(UTC).replace(microsecond=0)
"""OpenSSL knows only the real time."""


def seen(
    folder: Path, kind: str, host: str, lasts: timedelta, since: timedelta = DAY, by: str = "Test CA", **options: Any
) -> Observation:
    """Look at a server that shows a certificate for `host`."""
    shown = made(host, NOW - since, NOW + lasts, by=by)

    async def run() -> Observation:
        async with target(answer(), tls=serving(shown, host, folder)) as one:
            place = {"url": one.url} if kind == "http" else {"host": "127.0.0.1", "port": one.port}
            return await look(kind, now=NOW, **place, **{"ca": pem(authority()), **options})

    return asyncio.run(run())


@pytest.mark.parametrize("kind", ["tls", "http"])
def test_a_good_certificate_is_good(kind: str, tmp_path: Path) -> None:
    found = seen(tmp_path, kind, "127.0.0.1", 30 * DAY, expires_within="7d")

    assert found.ok, found
    assert found.facts["Certificate"] == f"valid until {NOW + 30 * DAY:%Y-%m-%d %H:%M} UTC (30 d left)"


def test_what_a_certificate_says_is_told(tmp_path: Path) -> None:
    found = seen(tmp_path, "tls", "127.0.0.1", 30 * DAY)

    assert found.expected == "a trusted certificate"
    assert found.got.startswith("TLSv1.3 after ")
    assert (found.facts["Subject"], found.facts["Issuer"]) == ("127.0.0.1", "Test CA")
    assert found.facts["Protocol"] == "TLSv1.3"


@pytest.mark.parametrize("kind", ["tls", "http"])
def test_a_certificate_that_expires_soon_is_a_fault_of_its_own(kind: str, tmp_path: Path) -> None:
    found = seen(tmp_path, kind, "127.0.0.1", 5 * DAY, expires_within="14d")

    assert found.fault is Fault.CERTIFICATE
    assert found.got == f"the certificate is valid until {NOW + 5 * DAY:%Y-%m-%d %H:%M} UTC (5 d left)"
    assert "certificate valid for 14 d" in found.expected or "valid for 14 d" in found.expected


@pytest.mark.parametrize("kind", ["tls", "http"])
def test_an_expired_certificate_is_told_with_its_day(kind: str, tmp_path: Path) -> None:
    found = seen(tmp_path, kind, "127.0.0.1", -3 * DAY, since=90 * DAY)

    assert found.fault is Fault.TLS
    assert found.got == f"the certificate has expired on {NOW - 3 * DAY:%Y-%m-%d %H:%M} UTC"
    assert found.facts["Certificate"] == f"127.0.0.1, by Test CA, until {NOW - 3 * DAY:%Y-%m-%d %H:%M} UTC"


def test_a_certificate_of_tomorrow_is_not_valid_yet(tmp_path: Path) -> None:
    found = seen(tmp_path, "tls", "127.0.0.1", 30 * DAY, since=-DAY)

    assert found.fault is Fault.TLS
    assert found.got == f"the certificate is not valid yet, but from {NOW + DAY:%Y-%m-%d %H:%M} UTC"


def test_a_certificate_for_another_host_is_told_with_both_names(tmp_path: Path) -> None:
    found = seen(tmp_path, "http", "other.example", 30 * DAY)

    assert found.fault is Fault.TLS
    assert found.got == "the certificate is for other.example, not for 127.0.0.1"


def test_a_server_name_is_asked_for_instead_of_the_host(tmp_path: Path) -> None:
    assert seen(tmp_path, "tls", "other.example", 30 * DAY, server_name="other.example").ok
    found = seen(tmp_path, "http", "other.example", 30 * DAY, server_name="third.example")
    assert found.got == "the certificate is for other.example, not for third.example"


def test_a_self_signed_certificate_is_told_as_such(tmp_path: Path) -> None:
    found = seen(tmp_path, "tls", "127.0.0.1", 30 * DAY, by="127.0.0.1")

    assert found.fault is Fault.TLS
    assert "self-signed" in found.got


def test_an_unknown_issuer_is_named(tmp_path: Path) -> None:
    found = seen(tmp_path, "tls", "127.0.0.1", 30 * DAY, ca=None)

    assert found.fault is Fault.TLS
    assert found.got.startswith("the certificate's issuer Test CA is not known here")


def test_what_need_not_be_trusted_may_still_expire(tmp_path: Path) -> None:
    old = seen(tmp_path, "http", "other.example", -DAY, since=9 * DAY, verify_tls=False)
    assert old.ok
    assert old.facts["Certificate"].endswith("(for 1 d no more)")
    assert seen(tmp_path, "tls", "x.example", DAY, verify_tls=False, expires_within="2d").fault is Fault.CERTIFICATE


async def _no_tls() -> tuple[Observation, Observation]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with target(talk) as plain:
        return (
            await look("tls", host="127.0.0.1", port=plain.port),
            await look("http", url=plain.url.replace("http", "https")),
        )


def test_a_port_that_speaks_no_tls_is_told_as_such() -> None:
    for found in asyncio.run(_no_tls()):
        assert found.fault is Fault.TLS
        assert found.got == "the port does not speak TLS"
        assert found.facts["Address"].startswith("127.0.0.1:")


async def _closing() -> Observation:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with target(talk) as one:
        return await look("tls", host="127.0.0.1", port=one.port)


def test_a_target_that_hangs_up_on_tls_is_told() -> None:
    found = asyncio.run(_closing())
    assert found.fault is Fault.TLS
    assert "closed" in found.got
