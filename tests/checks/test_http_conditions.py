"""What an HTTP answer has to be: its status, its body, its JSON, its time."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.checks import CHECKS
from bridge.checks.exchange import BODY_LIMIT
from bridge.checks.json_path import Json, parse_path, same, value_at
from bridge.checks.looking import LINES
from bridge.checks.status import expects, parse_statuses, statuses_in_words
from bridge.domain.observation import Fault, Observation
from tests.checks.targets import answer, look, target

DOCUMENT = {"status": {"db": [{"ok": True, "lag": 0}]}, "a.b": {'say "hi"': "x"}, "version": "1.2", "none": None}


def seen(sent: bytes, **options: Any) -> Observation:
    async def run() -> Observation:
        async with target(sent) as one:
            return await look("http", url=one.url, **options)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"contains": "all is well"}, 'the body does not contain "all is well"'),
        ({"not_contains": "maintenance"}, 'the body contains "maintenance"'),
        ({"matches": "^up: [0-9]+$"}, "the body does not match ^up: [0-9]+$"),
        ({"json": {"status": "up"}}, "the body is no JSON"),
    ],
)
def test_a_wrong_body_is_told(options: dict[str, Any], got: str) -> None:
    found = seen(answer(b"down for maintenance"), **options)
    assert found.fault is Fault.BODY
    assert found.got.startswith("HTTP 200 after ")
    assert found.got.endswith(f"; {got}")
    assert found.facts["Body"] == "down for maintenance"


@pytest.mark.parametrize(
    "options",
    [
        {"json": {"status.db[0].ok": True, "$.status.db[0].lag": 0.0}},
        {"json": {'["a.b"]["say \\"hi\\""]': "x", "version": "1.2", "none": None}},
        {"contains": '"version"', "matches": "lag.*[0]"},
    ],
)
def test_a_right_body_is_well(options: dict[str, Any]) -> None:
    found = seen(answer(json.dumps(DOCUMENT).encode()), **options)
    assert found.ok, found


@pytest.mark.parametrize(
    ("path", "value", "got"),
    [
        ("status.db[0].ok", 1, "status.db[0].ok is true"),
        ("status.db[0].lag", False, "status.db[0].lag is 0"),
        ("version", 1.2, 'version is "1.2"'),
        ("status.db[1].ok", True, "status.db[1].ok: there is no [1]"),
        ("status.cache", None, 'status.cache: there is no "cache"'),
        ("version.major", 1, 'version.major: there is no "major"'),
        ("$", 1, '$ is {"status"'),
    ],
)
def test_json_values_are_compared_as_json(path: str, value: Any, got: str) -> None:
    found = seen(answer(json.dumps(DOCUMENT).encode()), json={path: value})
    assert found.fault is Fault.BODY
    assert got in found.got


def test_korean_bodies_are_read_by_their_charset() -> None:
    body = "서비스 점검 중입니다".encode("euc-kr")
    found = seen(answer(body, "200 OK", "Content-Type: text/html; charset=EUC-KR"), contains="점검")
    assert found.ok
    assert found.facts["Body"] == "서비스 점검 중입니다"


def test_a_compressed_body_is_read_or_told() -> None:
    assert seen(answer(gzip.compress(b"fine"), "200 OK", "Content-Encoding: gzip"), contains="fine").ok
    found = seen(answer(b"\x0b\x02", "200 OK", "Content-Encoding: br"), contains="fine")
    assert found.fault is Fault.BODY
    assert "compressed (br)" in found.got
    assert "Body" not in found.facts


def test_slow_is_a_fault_of_its_own() -> None:
    found = seen(answer(), slower_than="0.01ms")
    assert found.fault is Fault.SLOW
    assert found.expected == "status 200-299, within 0.01 ms"


def test_what_is_sent_is_sent() -> None:
    async def run() -> tuple[Observation, bytes]:
        async with target(answer(b"", "204 No Content")) as one:
            auth = {"username": "bob", "password": "hunter2"}
            found = await look("http", url=one.url, method="POST", body="{}", basic_auth=auth)
            return found, one.heard[0]

    found, head = asyncio.run(run())
    assert found.ok
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"Content-Length: 2\r\n" in head
    assert b"Authorization: Basic Ym9iOmh1bnRlcjI=\r\n" in head


SECRETS = {"headers": {"X-Api-Key": "s3cret-k3y"}, "body": "password=hunter2", "bearer_token": "t0ken-t0ken"}


def test_secrets_that_a_target_sends_back_are_not_shown() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")) + await reader.read(16)
        body = b" ".join(head.split())
        status = "500 " + head.partition(b"X-Api-Key: ")[2].split()[0].decode()
        writer.write(answer(json.dumps({"all": body.decode("latin-1")}).encode(), status))
        await writer.drain()

    async def run() -> list[Observation]:
        async with target(echo) as one:
            url = f"{one.url}?token=url-s3cret"
            more: list[dict[str, Any]] = [{}, {"status": 500, "json": {"all": 1}}, {"status": 500, "json": {"$": 1}}]
            return [await look("http", url=url, method="POST", **SECRETS, **one) for one in more]

    for found in asyncio.run(run()):
        shown = repr(found)
        assert found.fault
        assert "***" in shown
        for secret in ("s3cret-k3y", "hunter2", "t0ken-t0ken"):
            assert secret not in shown


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        ('{\n "user": "bo",\n "password": "hunter2hunter2"\n}', '"password": "hunter2hunter2"'),
        ('{"a": [{"password": "hunter2hunter2"}]}', "no such password: hunter2hunter2"),
        ("grant=x&client_secret=hunter2%2Fhunter2", "invalid client_secret hunter2/hunter2"),
        ("AUTH hunter2hunter2", "what is hunter2hunter2?"),
    ],
)
def test_a_part_of_the_body_that_a_target_quotes_is_not_shown(sent: str, came: str) -> None:
    async def run() -> Observation:
        async with target(answer(came.encode(), "400 Bad Request")) as one:
            return await look("http", url=one.url, method="POST", body=sent)

    found = asyncio.run(run())
    assert found.fault
    assert "***" in found.facts["Body"]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("filler", [0, 20, 40, 45, 50, 55])
def test_a_target_that_is_no_web_server_and_sends_everything_back_shows_no_secret(filler: int) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        await writer.drain()

    async def run() -> Observation:
        async with target(echo) as one:
            return await look("http", url=f"{one.url}{'x' * filler}?token=url-s3cret", **SECRETS)

    found = asyncio.run(run())
    assert found.got.startswith("what came is not HTTP: GET /")
    for secret in ("s3cret", "hunter2", "t0ken"):
        assert secret not in repr(found)


def test_the_target_is_shown_without_its_secrets() -> None:
    made = CHECKS["http"]
    options = made.Options.model_validate({"url": "https://shop.example.com/health?key=s3cret#x", **SECRETS})
    check = made("shop", options, None)  # type: ignore[arg-type]
    assert check.target == "https://shop.example.com/health?…"
    for secret in ("s3cret-k3y", "hunter2", "t0ken-t0ken"):
        assert secret not in repr(options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "shop.example.com"}, "write https://host"),
        ({"url": "ftp://shop.example.com"}, "write https://host"),
        ({"url": "https://bob:pw@shop.example.com"}, "basic_auth"),
        ({"status": 99}, "is no HTTP status"),
        ({"status": "200-100"}, "ends before it begins: write 100-200"),
        ({"status": []}, "is empty"),
        ({"status": True}, "is no HTTP status"),
        ({"matches": "(?=x)"}, "not a regular expression that RE2 takes"),
        ({"json": {"a..b": 1}}, "can't be read from character 2 on"),
        ({"headers": {"X Y": "1"}}, "is no name of a header"),
        ({"headers": {"traceparent": "1"}}, "is set by the bridge"),
        ({"headers": {"X": "a\r\nHost: evil"}}, "characters that a header can't carry"),
        ({"headers": {"Authorization": "x"}, "bearer_token": "y"}, "Authorization is set twice"),
        ({"method": "HEAD", "contains": "x"}, "an answer to HEAD has no body"),
        ({"ca": "none"}, "holds no certificate in PEM"),
        ({"redirects": 21}, "less than or equal to 20"),
        ({"expires_within": "0s"}, "greater than"),
        ({"contians": "x"}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_a_mistake_in_the_config_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CHECKS["http"].Options.model_validate({"url": "https://shop.example.com", **options})


def or_error(parse: Callable[[Any], object], value: object) -> Any:
    """Return what is parsed, or the error's text."""
    try:
        return parse(value)
    except ValueError as error:
        return str(error)


RANGES = st.tuples(st.integers(100, 599), st.integers(100, 599)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(RANGES, min_size=1), st.integers(100, 599))
def test_statuses_mean_what_they_say(ranges: list[tuple[int, int]], status: int) -> None:
    made = tuple(ranges)
    written = statuses_in_words(made).split(", ")
    assert parse_statuses(written) == made
    assert expects(made, status) is any(status in range(low, high + 1) for low, high in ranges)


@given(st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.text()))
def test_whatever_is_written_as_status_is_ranges_or_an_error(value: object) -> None:
    found = or_error(parse_statuses, value)
    if not isinstance(found, str):
        assert isinstance(found, tuple)
        assert all(100 <= low <= high <= 599 for low, high in found)


def written(path: list[str | int]) -> str:
    """Write a path with every key in brackets."""
    return "".join(f"[{one}]" if isinstance(one, int) else f"[{json.dumps(one, ensure_ascii=False)}]" for one in path)


KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | KEYS
PLACES = st.lists(st.integers(0, 4) | KEYS, min_size=1, max_size=6)


@given(PLACES, SCALARS)
def test_every_place_can_be_written_and_is_found(path: list[str | int], value: Json) -> None:
    document: Json = value
    for step in reversed(path):
        document = {step: document} if isinstance(step, str) else [0] * step + [document]
    decoded: Json = msgspec.json.decode(msgspec.json.encode(document))
    assert same(value_at(decoded, parse_path(written(path))), value)


@given(st.lists(st.text("abc0_-", min_size=1), min_size=1, max_size=5), st.integers(0, 99))
def test_plain_names_need_no_brackets(names: list[str], index: int) -> None:
    assert parse_path(".".join(names) + f"[{index}]") == (*names, index)
    assert parse_path("$." + ".".join(names)) == tuple(names)


@given(st.text('ab.[]"$\\0 ', max_size=12))
def test_whatever_is_written_as_path_is_a_path_or_an_error(text: str) -> None:
    path = or_error(parse_path, text)
    assert text in path if isinstance(path, str) else path or text == "$"


@pytest.mark.parametrize(("empty", "shown"), [(LINES - 1, "here"), (BODY_LIMIT - 4, None)])
def test_the_first_line_is_looked_for_near_the_beginning(empty: int, shown: str | None) -> None:
    async def run() -> Observation:
        async with target(answer(b"\n" * empty + b"here")) as one:
            return await look("http", url=one.url)

    assert asyncio.run(run()).facts.get("Body") == shown
