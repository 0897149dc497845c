"""Small requests are taken as a whole, past the framework: nobody outside can tell, whatever else they do."""

from __future__ import annotations

import gc
import re
import socket
import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import structlog

from bridge.domain.alert import Alert
from bridge.ports import Sample
from bridge.web.hooks import Hooks
from bridge.web.protocol import Punctual
from tests.e2e.bridge_processes import until
from tests.web.conftest import Receiving

STATUS = re.compile(rb"HTTP/1.1 (\d+) ")


def wire(sample: Sample, *more: str, version: str = "1.1", path: str = "/hooks/alertmanager") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"POST {path} HTTP/{version}", "host: x", *(f"{k}: {v}" for k, v in sample.headers.items()), *more]
    return "\r\n".join([*lines, f"content-length: {len(sample.body)}", "", ""]).encode() + sample.body


def connect(receiver: Receiving) -> socket.socket:
    where = urlsplit(receiver.url)
    return socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=60)


def statuses(connection: socket.socket, count: int) -> list[int]:
    """The first answers on a connection."""
    said = b""
    while len(STATUS.findall(said)) < count or not said.endswith(b"}"):
        part = connection.recv(65536)
        if not part:
            break
        said += part
    return [int(number) for number in STATUS.findall(said)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request that was offered was taken at once."""
    answers: list[bool] = []
    offer = Hooks.at_once

    def noted(*args: object) -> bool:
        answers.append(offer(*args))  # type: ignore[arg-type]  # as it was called
        return answers[-1]

    monkeypatch.setattr(Hooks, "at_once", noted)
    return answers


def test_an_alert_is_taken_at_once_and_a_forgery_is_not(receiver: Receiving, asked: list[bool]) -> None:
    assert receiver.post("alertmanager").status_code == 202
    assert receiver.post("alertmanager", authorization="Bearer wrong").status_code == 401

    assert asked == [True, False]
    assert len(receiver.inbox()) == 1


def test_its_answer_is_the_frameworks(receive: Callable[..., Receiving], asked: list[bool]) -> None:
    one = receive().post("alertmanager", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    other = receive(http="auto").post("alertmanager", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    assert asked == [True]
    assert one.content == other.content
    hidden = {"date", "server"}
    assert {k: v for k, v in one.headers.items() if k not in hidden} == {
        k: v for k, v in other.headers.items() if k not in hidden
    }


@pytest.mark.parametrize(
    ("more", "version"),
    [
        (["expect: 100-continue"], "1.1"),
        (["connection: close"], "1.1"),
        (["content-encoding: identity"], "1.1"),
        ([], "1.0"),
    ],
)
def test_what_is_unusual_goes_the_usual_way(
    receiver: Receiving, asked: list[bool], more: list[str], version: str
) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(wire(receiver.sample("alertmanager"), *more, version=version))
        answers = [status for status in statuses(connection, 2 if "expect" in str(more) else 1) if status != 100]

    assert answers == [202]
    assert asked == []


def test_requests_sent_without_waiting_are_answered_in_order(receiver: Receiving, asked: list[bool]) -> None:
    good, forged = wire(receiver.sample("alertmanager")), wire(Sample({"authorization": "Bearer x"}, b"{}"))
    with closing(connect(receiver)) as connection:
        connection.sendall(good + forged + good + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + good + good)
        answers = statuses(connection, 6)

    assert answers == [202, 401, 202, 200, 202, 202]
    assert asked[0] is True


def test_a_body_that_comes_a_little_at_a_time_is_taken_as_a_whole(receiver: Receiving, asked: list[bool]) -> None:
    request = wire(receiver.sample("alertmanager"))
    with closing(connect(receiver)) as connection:
        for start in range(0, len(request), 97):
            connection.sendall(request[start : start + 97])
            time.sleep(0.002)
        assert statuses(connection, 1) == [202]

    assert asked == [True]


def test_one_connection_takes_many(receiver: Receiving, asked: list[bool]) -> None:
    with closing(connect(receiver)) as connection:
        for _ in range(5):
            connection.sendall(wire(receiver.sample("alertmanager")))
            assert statuses(connection, 1) == [202]
            connection.sendall(wire(receiver.sample("alertmanager"), path="/hooks/nobody"))
            assert statuses(connection, 1) == [404]

    assert asked == [True, False] * 5


class Brief(Punctual):
    """The same with a test's patience."""

    whole_within = 0.3

    def connection_made(self, transport: object) -> None:
        """Wait less for a next request."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as it was called
        self.timeout_keep_alive = 1


def test_half_a_body_is_answered_408_and_is_a_line_in_the_log(receive: Callable[..., Receiving]) -> None:
    receiver = receive(http=Brief)
    with structlog.testing.capture_logs() as lines:
        with closing(connect(receiver)) as connection:
            connection.sendall(wire(receiver.sample("alertmanager"))[:-10])
            assert STATUS.findall(connection.recv(65536)) == [b"408"]
            assert connection.recv(65536) == b""
        until(lambda: "hung up, or was too slow" in str(lines), "the log says so")


def test_an_idle_connection_is_closed_without_a_word(receive: Callable[..., Receiving]) -> None:
    receiver = receive(http=Brief)
    with closing(connect(receiver)) as connection:
        began = time.monotonic()
        connection.sendall(wire(receiver.sample("alertmanager")))
        assert statuses(connection, 1) == [202]
        assert connection.recv(65536) == b""
        assert 0.9 < time.monotonic() - began < 30


def test_a_sender_that_does_not_wait_for_its_answer_is_no_trouble(receiver: Receiving) -> None:
    for _ in range(5):
        connect_and_leave(receiver)

    assert receiver.post("alertmanager").status_code == 202
    found: list[Alert] = []

    def arrived() -> bool:
        found.extend(receiver.inbox())
        return len(found) >= 6

    until(arrived, "all of them are in the inbox")
    assert len(found) == 6


def connect_and_leave(receiver: Receiving) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(wire(receiver.sample("alertmanager")))


def test_a_connection_that_is_over_leaves_nothing_behind(receiver: Receiving) -> None:
    """Senders open one for each webhook, and Python looks for cycles seldom."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            with closing(connect(receiver)) as connection:
                connection.sendall(wire(receiver.sample("alertmanager")))
                assert statuses(connection, 1) == [202]
        until(lambda: sum(isinstance(one, Punctual) for one in gc.get_objects()) <= 2, "the others are gone")
    finally:
        gc.enable()


@pytest.mark.parametrize("path", ["/hooks/alertmanager?x=1", "/hooks/alert%6danager", "http://x/hooks/alertmanager"])
def test_an_address_that_is_more_than_a_path_goes_the_usual_way(
    receiver: Receiving, asked: list[bool], path: str
) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(wire(receiver.sample("alertmanager"), path=path))
        assert statuses(connection, 1) == [202]

    assert asked == []


def test_no_address_however_odd_keeps_a_connection_from_ending(receiver: Receiving) -> None:
    for odd in (b"/hooks/\xff", b"/hooks/a\\b", b"/hooks/;a", b"/hooks/a#b", b"/hooks//"):
        for body in (b"{", b"{}"):  # half of it, and all
            with closing(connect(receiver)) as connection:
                connection.sendall(b"POST " + odd + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n" + body)
    gc.collect()
    until = time.monotonic() + 10
    while (left := sum(isinstance(one, Punctual) for one in gc.get_objects())) > 1 and time.monotonic() < until:
        time.sleep(0.01)
        gc.collect()
    assert left <= 1


def test_an_alert_that_fails_to_be_written_down_is_a_500_and_the_connection_goes_on(
    receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise UnicodeEncodeError("utf-8", "x", 0, 1, "a surrogate")

    with monkeypatch.context() as patched, closing(connect(receiver)) as connection:
        patched.setattr("bridge.web.writer.body_of", broken)
        connection.sendall(wire(receiver.sample("alertmanager")))
        assert connection.recv(65536).startswith(b"HTTP/1.1 500 ")

    assert receiver.post("alertmanager").status_code == 202
