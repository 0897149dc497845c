"""Bodies made to cost memory, time or a parser its head; each is answered, quickly, and nobody else waits."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlsplit

import httpx
import pytest

from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.enrich.trace import traced
from bridge.ports import Parsed, Request, Sample, Unverified
from bridge.settings import Options
from bridge.sources import sns
from bridge.sources.sentry import SIGNATURE, signature
from bridge.store.deadletters import DeadLetters
from bridge.store.inbox import Inbox
from bridge.web.body import FREE, Crowded, Room
from tests.e2e.bridge_processes import until
from tests.machine import slowness
from tests.security.conftest import Front, OpenFront
from tests.security.corpus import BEARER, SENTRY_SECRET
from tests.security.mutate import RAW_TOKENS
from tests.web.conftest import Receiving


def sentry(front: Front, body: bytes, resource: str = "event_alert") -> httpx.Response:
    headers = {"sentry-hook-resource": resource, SIGNATURE: signature(SENTRY_SECRET.encode(), body).decode()}
    return front.client.post("/hooks/sentry", content=body, headers=headers)


def group(front: Front, body: bytes) -> httpx.Response:
    headers = {"authorization": f"Bearer {BEARER}"}
    return front.client.post("/hooks/alertmanager", content=body, headers=headers)


def test_odd_json_in_any_place_is_answered_and_not_with_an_error_of_ours(front: Front) -> None:
    alert = front.sources["alertmanager"].sample(Status.FIRING, datetime.now(UTC)).body
    event = b'{"action":"triggered","data":{"event":{"issue_id":"1","title":"x","contexts":{"trace":%s},"tags":%s}}}'
    for token in RAW_TOKENS:
        for body in (
            token,
            alert.replace(b'"truncatedAlerts":0', b'"truncatedAlerts":' + token),
            b'{"alerts":' + token,
        ):
            assert group(front, body).status_code in (200, 202, 400), body[:300]
        for body in (token, event % (token, b"[]"), event % (b"{}", b'[["a",' + token + b"]]"), event % (b"{}", token)):
            assert sentry(front, body).status_code in (200, 202, 400), body[:300]


@pytest.mark.parametrize("depth", [900, 100_000])
def test_deep_json_is_no_deep_recursion(front: Front, depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    assert group(front, deep).status_code == 400
    assert sentry(front, deep).status_code == 400
    assert sentry(front, b'{"action":' * depth + b"1" + b"}" * depth).status_code in (200, 400, 413)


def test_a_duplicate_key_means_the_same_to_the_proof_and_to_the_parser(front: Front) -> None:
    """SNS signs fields, not bytes: were the first `Message` proven and the last one read, anybody could speak."""
    twice = sns.decode(b'{"Type":"N","MessageId":"1","TopicArn":"a","Message":"one","Timestamp":"t",'
                       b'"SignatureVersion":"1","Message":"two"}')  # fmt: skip

    assert b"one" not in sns.canonical(twice)
    assert twice.message == "two"


def test_half_a_character_is_no_reason_to_fall_over(front: Front) -> None:
    payload = json.loads(front.sources["alertmanager"].sample(Status.FIRING, datetime.now(UTC)).body)
    payload["alerts"][0]["annotations"]["summary"] = "a\x00b\u202egpj.exe\ud800"
    assert group(front, json.dumps(payload).encode()).status_code in (202, 400)
    for one in Inbox(front.keyspace).take(10)[1]:
        assert [alert.title.encode() for alert in one.alerts], "what is kept can be written"


# --- memory ------------------------------------------------------------------------------------------------


def test_all_bodies_together_take_no_more_room_than_there_is() -> None:
    room = Room(limit=100_000)
    with ExitStack() as stack:
        first = stack.enter_context(room.guest())
        first(FREE + 90_000)
        second = stack.enter_context(room.guest())
        second(FREE)  # an ordinary alert
        with pytest.raises(Crowded):
            second(FREE + 20_000)
    with room.guest() as third:
        third(FREE + 100_000)  # all of it was given back


def test_a_flood_of_large_bodies_leaves_ordinary_alerts_alone(
    receive: Callable[..., Receiving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room.__init__, "__defaults__", (1 << 20,))
    receiver = receive(max_body=1 << 20)
    where = urlsplit(receiver.url)
    head = b"POST /hooks/sentry HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + b"x" * 800_000
    with ExitStack() as stack:
        for _ in range(6):
            flood = stack.enter_context(
                socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=60)
            )
            flood.settimeout(0.2)
            try:
                flood.sendall(head)
            except OSError:
                continue  # turned away while it was still sending
        answers: list[httpx.Response] = []

        def refused() -> bool:
            answers.append(receiver.send("sentry", b"x" * 900_000, {}))
            return answers[-1].status_code == 503

        until(refused, "the flood has come, and fills the room")
        assert answers[-1].headers["retry-after"]
        assert receiver.post("alertmanager").status_code == 202
    assert receiver.send("sentry", b"x" * 900_000, {}).status_code in (401, 503)


def test_a_gzip_bomb_is_not_inflated(front: Front) -> None:
    bomb = gzip.compress(b"\x00" * (200 << 20), 9)
    tracemalloc.start()
    try:
        answer = front.client.post("/hooks/sentry", content=bomb, headers={"content-encoding": "gzip"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(bomb) < 300_000
    assert answer.status_code == 413
    assert peak < 20 << 20


# --- time --------------------------------------------------------------------------------------------------

HOSTILE = {
    "backslashes": 'password=\\"' + "\\" * 200_000,
    "open lists": "password=[;" * 20_000,
    "open objects": "password={;" * 20_000,
    "keys": "password= " * 20_000,
    "cookies": "cookie=none;" * 16_000,
    "addresses": "a://b@" * 32_000,
    "mails": "a@a." * 50_000,
    "keys begun": "-----BEGIN PRIVATE KEY-----" * 8_000,
    "traces": "trace_id=" * 22_000,
    "trace signs": "trace_id" + ":" * 200_000,
    "digits": "4111 1111 1111 1111 " * 10_000,
    "colons": "2001:" + ":" * 200_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    scrubber = Scrubber(ScrubOptions())
    short = text[: len(text) // 8]
    once, all_of_it = seconds(lambda: scrubber.scrub_text(short)), seconds(lambda: scrubber.scrub_text(text))

    assert all_of_it < 8 * once * 3 + 0.3, "eight times the text, eight times the time: not 64 times"


def test_a_hostile_text_is_searched_for_traces_in_no_time() -> None:
    for text in HOSTILE.values():
        made = Alert(
            source="s",
            fingerprint=fingerprint("x"),
            event_id=event_id("x"),
            status=Status.FIRING,
            severity=Severity.ERROR,
            at=datetime.now(UTC),
            title="x",
            details=text,
            labels={"trace": text},
        )
        assert seconds(lambda made=made: traced(made)) < 2 * slowness()  # type: ignore[misc]


def seconds(act: Callable[[], object]) -> float:
    began = time.thread_time()
    act()
    return time.thread_time() - began


class Faulty:
    """A source with a fault: it parses what bears the right proof until it may go on, and falls over it."""

    Options: ClassVar[type[Options]] = Options

    def __init__(self) -> None:
        self.parsing, self.may_go_on = threading.Event(), threading.Event()

    def needs_io(self, request: Request) -> bool:
        return False

    def verify(self, request: Request) -> None:
        if request.headers.get("x-proof") != "right":
            raise Unverified("no")

    def parse(self, request: Request) -> Parsed:
        self.parsing.set()
        self.may_go_on.wait(120)
        raise KeyError("a fault")

    def sample(self, status: Status, now: datetime) -> Sample:
        return Sample(headers={"x-proof": "right"}, body=b"{}")


def test_a_large_body_is_parsed_aside_while_others_are_answered(open_front: OpenFront) -> None:
    slow = Faulty()
    front = open_front(slow=slow)
    sent = {"content": b"x" * 300_000, "headers": {"x-proof": "right"}, "timeout": 150, "trust_env": False}
    thread = threading.Thread(target=lambda: httpx.post(f"{front.url}/hooks/slow", **sent))  # type: ignore[arg-type]
    thread.start()
    try:
        assert slow.parsing.wait(60)
        assert httpx.get(f"{front.url}/healthz", timeout=60, trust_env=False).status_code == 200
    finally:
        slow.may_go_on.set()
        thread.join()


def test_a_proven_request_that_the_bridge_itself_falls_over_is_kept(open_front: OpenFront) -> None:
    faulty = Faulty()
    faulty.may_go_on.set()
    front = open_front(faulty=faulty)
    url = f"{front.url}/hooks/faulty"
    body = b'{"password": "hunter2-secret", "said": "x"}'
    assert httpx.post(url, content=body, headers={"x-proof": "wrong"}, trust_env=False).status_code == 401
    assert DeadLetters(front.keyspace).all() == []
    assert httpx.post(url, content=body, headers={"x-proof": "right"}, trust_env=False).status_code == 500
    (letter,) = DeadLetters(front.keyspace).all()

    assert "a fault in the bridge (KeyError)" in letter.reason
    assert "hunter2" not in str(letter.body)
    assert "said" in str(letter.body)
