"""Pings over real HTTP, as healthchecks.io's own clients send them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import structlog

from bridge.domain.ping import Kind, Ping
from bridge.ports import Sample
from bridge.store.inbox import Inbox
from bridge.web import pings
from bridge.web.life import Life
from tests.e2e.bridge_processes import until
from tests.web.conftest import Receiving

KEY = "canary-key-of-a-backup"
RUN = "0b5bdc44-3ad1-4f1b-9a3b-0f3a2f4b4d11"


@pytest.fixture
def pinged(receive: Callable[..., Receiving]) -> Receiving:
    """A receiver with one heartbeat, and with a source that has to speak now and then."""
    return receive(ping_keys={KEY: "heartbeat:backup"}, quiet=["sentry"])


def send(receiver: Receiving, path: str = "", method: str = "GET", body: bytes = b"", key: str = KEY) -> httpx.Response:
    return httpx.request(method, f"{receiver.url}/ping/{key}{path}", content=body, timeout=20, trust_env=False)


def heard(receiver: Receiving) -> list[Ping]:
    """Take the pings that lie in the inbox."""
    _, taken, _ = Inbox(receiver.keyspace).take(1000)
    return [ping for one in taken for ping in one.pings]


WAYS = (
    ("", Kind.SUCCESS, None, ""),
    ("/start", Kind.START, None, ""),
    ("/", Kind.SUCCESS, None, ""),
    ("/fail", Kind.FAIL, None, ""),
    ("/log", Kind.LOG, None, ""),
    ("/0", Kind.EXIT, 0, ""),
    ("/255", Kind.EXIT, 255, ""),
    (f"/start?rid={RUN}", Kind.START, None, RUN),
    (f"?rid={RUN.upper()}&m=x", Kind.SUCCESS, None, RUN),
)
_REST = "after the key comes nothing, start, fail, log or an exit status from 0 to 255"
NO_WAYS = (
    ("/stop", "GET", 400, _REST),
    ("/256", "GET", 400, _REST),
    ("/-1", "GET", 400, _REST),
    ("/٣", "GET", 400, _REST),
    ("/start/now", "GET", 400, _REST),
    ("?rid=seven", "GET", 400, "rid has to be a UUID"),
    ("?" + "&" * 200, "GET", 400, "rid has to be a UUID"),
    ("", "PUT", 405, "a ping is sent with GET, HEAD or POST"),
    ("", "DELETE", 405, "a ping is sent with GET, HEAD or POST"),
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_each_way_to_ping(pinged: Receiving, method: str) -> None:
    for path, kind, status, run in WAYS:
        answer = send(pinged, path, method)
        assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK")
        (ping,) = heard(pinged)
        assert (ping.name, ping.kind, ping.exit_status, ping.run) == ("heartbeat:backup", kind, status, run)


def test_what_is_no_ping_is_refused_and_kept_nowhere(pinged: Receiving) -> None:
    for path, method, status, said in NO_WAYS:
        answer = send(pinged, path, method)
        assert (answer.status_code, answer.text) == (status, said)
        assert answer.headers.get("allow") == ("GET, HEAD, POST" if status == 405 else None)
    assert heard(pinged) == []


def test_a_wrong_key_is_not_found_whatever_follows(pinged: Receiving) -> None:
    for key in ("wrong", KEY[:-1], KEY + "x", KEY.upper(), "%00", "canary%2Fkey", "é"):
        for path in ("", "/start", "/nonsense"):
            assert send(pinged, path, key=key).status_code == 404
    assert httpx.get(f"{pinged.url}/ping/", trust_env=False).status_code == 404
    assert heard(pinged) == []


def test_a_body_is_kept_to_ten_kilobytes_scrubbed_and_without_the_key(pinged: Receiving) -> None:
    body = f"+ curl https://x.example/ping/{KEY}\npassword=hunter2 kim@example.com ".encode() + b"x" * 50_000
    assert send(pinged, "/fail", "POST", body).status_code == 200
    (ping,) = heard(pinged)
    assert len(ping.body) == 10_000
    assert ping.body.startswith("+ curl https://x.example/ping/[key]\n")
    assert not any(secret in ping.body for secret in (KEY, "hunter2", "kim@example.com"))


def test_any_body_is_welcome(pinged: Receiving) -> None:
    for body in (b"\xff\xfe\x00", gzip.compress(b"x"), "백업 실패".encode(), b"x" * 3_000_000):
        assert send(pinged, "", "POST", body).text == "OK"
        (ping,) = heard(pinged)
        assert ping.body


def test_no_half_of_a_secret_is_left_where_a_body_was_cut(pinged: Receiving) -> None:
    token = "ghp_" + "a1b2c3d4e5" * 4
    for before in (pings.LOOKED_AT - 20, pings.KEPT - 20):
        send(pinged, "/log", "POST", b"password=hunter2 " * 30 + b"." * (before - 510) + token.encode() + b" end")
    for ping in heard(pinged):
        assert "ghp_" not in ping.body


def test_no_half_of_a_key_is_left_where_a_body_of_many_byte_letters_was_cut(
    receive: Callable[..., Receiving],
) -> None:
    long = "k3y-" * 32
    made = receive(ping_keys={long: "heartbeat:backup"})
    send(made, "/log", "POST", "가".encode() * 3960 + long.encode() + b" end", key=long)
    (ping,) = heard(made)
    assert "k3y" not in ping.body


def test_a_flood_of_the_same_ping_is_one_write_a_second(pinged: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pings.REPEATS == 1
    monkeypatch.setattr(pings, "REPEATS", 60)  # on a slow machine the flood takes many seconds
    assert asyncio.run(flood(pinged, 60)) == {200}
    assert len(heard(pinged)) == 1


async def flood(receiver: Receiving, number: int) -> set[int]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(f"{receiver.url}/ping/{KEY}") for _ in range(number)))
    return {answer.status_code for answer in answers}


def test_what_changes_the_state_is_never_taken_for_a_repeat(pinged: Receiving) -> None:
    for path, body in (("", b""), ("/fail", b"why"), ("", b""), ("/1", b""), ("/0", b""), ("", b"")):
        send(pinged, path, "POST", body)
    assert [(ping.kind, ping.exit_status) for ping in heard(pinged)] == [
        (Kind.SUCCESS, None),
        (Kind.FAIL, None),
        (Kind.SUCCESS, None),
        (Kind.EXIT, 1),
        (Kind.EXIT, 0),
        (Kind.SUCCESS, None),
    ]


def test_while_the_store_is_away_the_journal_keeps_pings_with_their_time(pinged: Receiving) -> None:
    client = pinged.keyspace.client
    client.config_set("maxmemory", "1")
    try:
        assert send(pinged, "/start").status_code == 200
    finally:
        client.config_set("maxmemory", "0")
    found: list[Ping] = []

    def replayed() -> bool:
        found.extend(heard(pinged))
        return bool(found)

    until(replayed, "it is replayed")
    assert [ping.kind for ping in found] == [Kind.START]


def test_kept_nowhere_is_503_and_a_time_to_come_again(receive: Callable[..., Receiving], tmp_path: Path) -> None:
    from bridge.store.journal import Journal

    made = receive(ping_keys={KEY: "heartbeat:backup"}, journal=Journal(tmp_path / "small", max_size=10))
    made.keyspace.client.config_set("maxmemory", "1")
    try:
        answer = send(made)
        again = send(made)
    finally:
        made.keyspace.client.config_set("maxmemory", "0")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert again.status_code == 503


def test_neither_log_nor_metrics_show_a_key(pinged: Receiving) -> None:
    with structlog.testing.capture_logs() as lines:
        for key in (KEY, f"{KEY}wrong"):
            for path in ("", "/stop", "?rid=x"):
                send(pinged, path, key=key)
    assert {line["event"] for line in lines} == {"pinged"}
    assert KEY not in str(lines)
    metrics = pinged.get("/metrics").text
    assert 'alert_bridge_ping_requests_total{status="404"} 3.0' in metrics
    assert KEY not in metrics


# --- sources that have to speak now and then ---------------------------------------------------------------


def test_each_proven_request_of_a_watched_source_is_a_sign_of_life_but_not_each_one_again(
    pinged: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.life.EVERY", 600)
    pinged.post("sentry")
    pinged.post("sentry")
    pinged.post("alertmanager")
    _, taken, _ = Inbox(pinged.keyspace).take(10)
    assert [[ping.name for ping in one.pings] for one in taken] == [["source:sentry"], [], []]
    assert all(one.alerts for one in taken)


def test_what_is_no_alert_or_can_not_be_parsed_is_one_too_but_nothing_unproven(
    receive: Callable[..., Receiving],
) -> None:
    made = receive(quiet=["alertmanager", "sentry"])
    proof = made.sample("alertmanager").headers
    made.send("alertmanager", b"{}", {"authorization": "Bearer wrong"})
    made.send("sentry", b"{}", {})
    assert heard(made) == []
    assert made.post("alertmanager", Sample(headers=proof, body=b"{")).status_code == 400
    assert [ping.name for ping in heard(made)] == ["source:alertmanager"]


def test_a_sign_that_could_be_kept_nowhere_is_given_again() -> None:
    life = Life(["sentry"])
    assert life.signs("other") == []
    assert len(life.signs("sentry")) == 1
    assert life.signs("sentry") == []
    life.unsaid("sentry")
    assert len(life.signs("sentry")) == 1
