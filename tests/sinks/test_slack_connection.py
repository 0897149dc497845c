"""Connections to Slack are kept while there is work, and what goes wrong on them is told apart."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

import pytest
from slack_sdk import WebClient

from bridge.sinks.slack import lines
from bridge.sinks.slack.connection import KeptClient

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


@contextmanager
def slack(answer: bytes = ANSWER, calls_each: int = 100) -> Iterator[tuple[str, list[int]]]:
    """A server that notes how many requests came over each connection."""
    seen: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answer, calls_each, seen), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/", seen
        server.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def _serve(server: socket.socket, answer: bytes, calls_each: int, seen: list[int]) -> None:
    while True:
        try:
            one, _ = server.accept()
        except OSError:
            return
        seen.append(0)
        with one, one.makefile("rb") as stream:
            while seen[-1] < calls_each and _request(stream):
                seen[-1] += 1
                one.sendall(answer)


def _request(stream: object) -> bool:
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]  # a socket's file
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    if line:
        stream.read(length)  # type: ignore[attr-defined]  # the same
    return bool(line)


def test_calls_share_a_connection() -> None:
    with slack() as (url, seen):
        client = KeptClient("xoxb-1", url)
        for _ in range(5):
            assert client.api_call("auth.test")["ok"]
        client.lines.clear()

    assert seen == [5]


def test_a_connection_that_lay_idle_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "IDLE", -1.0)
    with slack() as (url, seen):
        client = KeptClient("xoxb-1", url)
        client.api_call("auth.test")
        client.api_call("auth.test")
        client.lines.clear()

    assert seen == [1, 1]


def test_a_connection_that_slack_closed_is_opened_anew() -> None:
    with slack(calls_each=1) as (url, seen):
        client = KeptClient("xoxb-1", url)
        for _ in range(3):
            client.api_call("auth.test")
            _closed(client)
        client.lines.clear()

    assert seen == [1, 1, 1]


def _closed(client: KeptClient) -> None:
    """Wait until the other side's end of the kept connection has arrived."""
    (line,) = client.lines.free
    line._connection.sock.settimeout(60)
    assert line._connection.sock.recv(1, socket.MSG_PEEK) == b""


def test_what_was_never_sent_is_told_from_what_was_perhaps_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}/api/"
    with pytest.raises(URLError) as refused:
        KeptClient("xoxb-1", nobody).api_call("auth.test")
    assert isinstance(refused.value.reason, ConnectionRefusedError)

    with slack(calls_each=0) as (url, _), pytest.raises(OSError, match=r"(?i)closed|abort|reset") as cut:
        KeptClient("xoxb-1", url).api_call("auth.test")
    assert not isinstance(cut.value, URLError)


def test_a_proxy_is_used_unless_the_host_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    with slack() as (proxy, seen):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "elsewhere.example.com")
        client = KeptClient("xoxb-1", "http://slack.example.com/api/")
        assert client.api_call("auth.test")["ok"]
        client.lines.clear()
        monkeypatch.setenv("no_proxy", "slack.example.com")
        with pytest.raises(URLError):
            KeptClient("xoxb-1", "http://slack.example.com/api/").api_call("auth.test")

    assert seen == [1]


def test_the_sdk_still_has_the_one_place_that_is_replaced() -> None:
    assert hasattr(WebClient, "_perform_urllib_http_request_internal")
