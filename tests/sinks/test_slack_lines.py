"""How requests go over kept connections, and what is made of every kind of answer."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError

import pytest

from bridge.sinks.slack import lines
from bridge.sinks.slack.lines import Lines
from tests.checks.certificates import DAY, authority, made, pem, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Talk = Callable[[socket.socket, bytes], None]


@contextmanager
def server(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server on the loopback; it hands each request to `talk`, whose end is that of the connection."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_accept, args=(listening, talk, tls, heard), daemon=True)
        thread.start()
        yield listening.getsockname()[1], heard
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(60)
    assert not thread.is_alive()


def _accept(listening: socket.socket, talk: Talk, tls: ssl.SSLContext | None, heard: list[bytes]) -> None:
    while True:
        try:
            one, _ = listening.accept()
        except OSError:
            return
        with suppress(OSError), tls.wrap_socket(one, server_side=True) if tls else one as line:
            if request := _request(line):
                heard.append(request)
                talk(line, request)


def _request(line: socket.socket) -> bytes:
    """Read one request: its head and its body may come in two pieces."""
    request = line.recv(65536)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", request)
    while length and len(request.partition(b"\r\n\r\n")[2]) < int(length[1]):
        request += line.recv(65536)
    return request


def says(*pieces: bytes) -> Talk:
    def talk(line: socket.socket, _: bytes) -> None:
        for piece in pieces:
            line.sendall(piece)
            time.sleep(0.01)  # so that each arrives by itself

    return talk


def keeps_on(line: socket.socket, _: bytes) -> None:
    line.sendall(OK)
    while _request(line):
        line.sendall(OK)


def asked(port: int, timeout: float = 60, scheme: str = "http") -> lines.Answer:
    own = Lines(f"{scheme}://127.0.0.1:{port}/", timeout, ssl.create_default_context)
    try:
        return own.post("/api/x", {"a": "b"}, b"body")
    finally:
        own.clear()


@pytest.mark.parametrize(
    "pieces",
    [
        (OK,),
        (OK[:20], OK[20:30], OK[30:-1], OK[-1:]),
        (b"HTTP/1.1 100 Continue\r\nlink: x\r\n\r\n", OK),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\no", b"k"),
    ],
)
def test_an_answer_is_read_however_it_comes(pieces: tuple[bytes, ...]) -> None:
    with server(says(*pieces)) as (port, heard):
        answer = asked(port)

    assert (answer.status, answer.body, "link" in answer.headers) == (200, b"ok", False)
    assert heard[0].startswith(b"POST /api/x HTTP/1.1\r\n")
    assert f"\r\nhost: 127.0.0.1:{port}\r\n".encode() in heard[0].lower()
    assert b"content-length: 4\r\n" in heard[0].lower()
    assert heard[0].endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    "pieces", [(), (OK[:10],), (OK[:-1],), (b"SSH-2.0-OpenSSH_9.2p1\r\n",), (b"HTTP/1.1 100 Continue\r\n\r\n",)]
)
def test_what_is_no_whole_answer_leaves_it_open_what_was_done(pieces: tuple[bytes, ...]) -> None:
    with server(says(*pieces)) as (port, _), pytest.raises(OSError, match=r"closed|reset|no HTTP") as caught:
        asked(port)
    assert not isinstance(caught.value, URLError)


def test_an_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LIMIT", 1000)
    with server(says(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000)) as (port, _), pytest.raises(OSError, match="larger"):
        asked(port)


def test_an_answer_that_trickles_has_its_time_as_a_whole() -> None:
    began = time.monotonic()
    with server(says(*(bytes([one]) for one in OK * 20))) as (port, _), pytest.raises(TimeoutError):
        asked(port, timeout=0.1)
    assert time.monotonic() - began < 5


def test_over_tls_one_connection_serves_many_and_a_stranger_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    (tmp_path / "ca.pem").write_text(pem(authority(now)))
    context = serving(made("127.0.0.1", now - DAY, now + DAY), "127.0.0.1", tmp_path)
    with server(keeps_on, context) as (port, heard):
        with pytest.raises(URLError) as unknown:
            asked(port, scheme="https")
        assert isinstance(unknown.value.reason, ssl.SSLCertVerificationError)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        own = Lines(f"https://127.0.0.1:{port}/", 60, ssl.create_default_context)
        for _ in range(3):
            assert own.post("/x", {}, b"").body == b"ok"
        own.clear()
    assert len(heard) == 1


def test_a_proxy_is_told_who_comes_and_what_it_refuses_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    with server(says(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as (port, heard):
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{port}")
        own = Lines("https://slack.example.com/api/", 60, ssl.create_default_context)
        with pytest.raises(URLError, match="403"):
            own.post("/x", {}, b"")
    assert heard[0].startswith(b"CONNECT slack.example.com:443 ")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in heard[0]


def test_a_proxy_for_plain_http_gets_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    with server(says(OK)) as (port, heard):
        monkeypatch.setenv("http_proxy", f"me:x@127.0.0.1:{port}")
        own = Lines("http://slack.example.com/api/", 60, ssl.create_default_context)
        assert own.post("/api/x", {}, b"").status == 200
        own.clear()
    assert heard[0].startswith(b"POST http://slack.example.com/api/x HTTP/1.1\r\nHost: slack.example.com\r\n")
    assert b"Proxy-Authorization: Basic bWU6eA==\r\n" in heard[0]


def test_a_proxy_behind_tls_is_said_to_be_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "https://127.0.0.1:1")
    own = Lines("https://slack.example.com/api/", 60, ssl.create_default_context)
    with pytest.raises(URLError, match="HTTPS_PROXY"):
        own.post("/x", {}, b"")


def test_no_header_smuggles_in_another() -> None:
    with server(says(OK)) as (port, heard):
        own = Lines(f"http://127.0.0.1:{port}/", 60, ssl.create_default_context)
        with pytest.raises(ValueError, match="header"):
            own.post("/x", {"authorization": "Bearer a\r\nb: c"}, b"")
    assert heard == []
