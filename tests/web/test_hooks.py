"""POST /hooks/{source} over real HTTP: every answer, and what it leaves behind."""

from __future__ import annotations

import gzip
import json
import re
import socket
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import Response

from bridge.domain.alert import Status
from bridge.ports import Sample
from bridge.sources import sns as sns_words
from tests.sources.sns_world import TOPIC, World
from tests.web.conftest import MAX_BODY, Receiving

TRACE = "0af7651916cd43dd8448eb211c80319c"
SOURCES = ("sentry", "alertmanager", "cloudwatch")


# --- accepted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_a_proven_alert_is_answered_202_and_lies_in_the_inbox(receiver: Receiving, source: str) -> None:
    answer = receiver.post(source)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (alert,) = receiver.inbox()
    assert (alert.source, alert.status) == (source, Status.FIRING)


def test_a_request_with_several_alerts_is_one_entry(receiver: Receiving) -> None:
    sample = receiver.sample("alertmanager")
    payload = json.loads(sample.body)
    payload["alerts"] = [
        {**payload["alerts"][0], "labels": {"alertname": f"A{n}"}, "fingerprint": f"{n:016x}"} for n in range(9)
    ]
    answer = receiver.send("alertmanager", json.dumps(payload).encode(), sample.headers)

    assert answer.json() == {"accepted": 9}
    assert receiver.keyspace.client.xlen(receiver.keyspace.key("inbox")) == 1
    assert len(receiver.inbox()) == 9


def test_what_is_no_alert_is_answered_200_and_kept_nowhere(receiver: Receiving) -> None:
    sample = receiver.sample("alertmanager")
    answer = receiver.send("alertmanager", b'{"version":"4","alerts":[]}', sample.headers)

    assert answer.status_code == 200
    assert list(answer.json()) == ["ignored"]
    assert receiver.inbox() == []


def test_secrets_in_an_alert_are_gone_before_it_is_stored(receiver: Receiving) -> None:
    sample = receiver.sample("alertmanager")
    payload = json.loads(sample.body)
    payload["alerts"][0]["annotations"]["description"] = "login with password=hunter2-secret of kim@example.com"
    assert receiver.send("alertmanager", json.dumps(payload).encode(), sample.headers).status_code == 202

    (stored,) = [fields for _, fields in receiver.keyspace.client.xrange(receiver.keyspace.key("inbox"))]
    assert b"hunter2" not in stored[b"a"]
    assert b"kim@" not in stored[b"a"]


# --- refused -----------------------------------------------------------------------------------------------


def test_a_proven_body_nobody_can_parse_is_answered_400_and_kept_scrubbed_for_a_person(receiver: Receiving) -> None:
    sample = receiver.sample("alertmanager")
    body = b'{"version":"4","alerts":[{"status":"odd"}],"authorization":"Bearer abcdef0123456789abcdef"}'
    answer = receiver.send("alertmanager", body, sample.headers)

    assert answer.status_code == 400
    (letter,) = receiver.dead_letters()
    assert (letter.source, letter.reason) == ("alertmanager", answer.json()["error"])
    assert '"odd"' in letter.body
    assert "abcdef0123456789" not in letter.body
    assert receiver.inbox() == []


def test_the_same_unparseable_body_again_is_the_same_dead_letter(receiver: Receiving) -> None:
    sample = receiver.sample("alertmanager")
    for _ in range(3):
        receiver.send("alertmanager", b"{", sample.headers)

    assert len(receiver.dead_letters()) == 1


@pytest.mark.parametrize("source", SOURCES)
def test_a_changed_body_or_a_missing_proof_is_answered_401_and_kept_nowhere(receiver: Receiving, source: str) -> None:
    sample = receiver.sample(source)
    forged = receiver.send(source, sample.body.replace(b"checkout", b"checkin"), {"content-type": "application/json"})

    assert forged.status_code == 401
    assert forged.json() == {"error": "the request does not prove its sender"}, "why is for the log alone"
    assert receiver.inbox() == []
    assert receiver.dead_letters() == []


def test_a_forged_body_that_is_no_json_is_no_dead_letter(receiver: Receiving) -> None:
    assert receiver.send("sentry", b"{", {"sentry-hook-signature": "0" * 64}).status_code == 401
    assert receiver.dead_letters() == []


@pytest.mark.parametrize("path", ["nope", "", "sentry.", "SENTRY", "%2e%2e/healthz"])
def test_an_unknown_source_is_answered_404(receiver: Receiving, path: str) -> None:
    assert httpx.post(f"{receiver.url}/hooks/{path}", content=b"{}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
def test_anything_but_post_is_answered_405(receiver: Receiving, method: str) -> None:
    answer = httpx.request(method, f"{receiver.url}/hooks/sentry")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


# --- bodies ------------------------------------------------------------------------------------------------


def test_a_body_in_chunks_is_read_whole(receiver: Receiving) -> None:
    sample = receiver.sample("sentry")
    pieces = (sample.body[i : i + 100] for i in range(0, len(sample.body), 100))
    assert receiver.send("sentry", pieces, sample.headers).status_code == 202


def test_a_gzipped_body_is_inflated_before_it_is_verified(receiver: Receiving) -> None:
    sample = receiver.sample("sentry")
    answer = receiver.send("sentry", gzip.compress(sample.body), {**sample.headers, "content-encoding": "gzip"})

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (b"no gzip", "gzip", "not valid gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-12], "gzip", "cut off"),
        (b"x", "br", "send the body plain, or gzipped"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_answered_400(
    receiver: Receiving, body: bytes, encoding: str, words: str
) -> None:
    answer = receiver.send("sentry", body, {"content-encoding": encoding})

    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert receiver.dead_letters() == [], "nobody proved it"


def too_large() -> Iterator[tuple[str, bytes | Iterator[bytes], dict[str, str]]]:
    yield "said", b"x" * (MAX_BODY + 1), {}
    yield "in chunks", (b"x" * 1000 for _ in range(70)), {}
    yield "inflated", gzip.compress(b"x" * (MAX_BODY + 1)), {"content-encoding": "gzip"}
    yield "a bomb", gzip.compress(b"0" * (200 << 20), 9), {"content-encoding": "gzip"}


def test_a_body_over_the_cap_is_answered_413_however_it_comes(receiver: Receiving) -> None:
    for name, body, headers in too_large():
        content = list(body) if isinstance(body, Iterator) else body
        tracemalloc.start()
        try:
            answer = receiver.send("sentry", iter(content) if isinstance(content, list) else content, headers)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer.status_code == 413, name
        assert "receiver.max_body" in answer.json()["error"]
        assert peak < 20 << 20, f"{name}: a bomb is not inflated whole"


def test_a_body_at_the_cap_is_read(receiver: Receiving) -> None:
    assert receiver.send("sentry", b"x" * MAX_BODY, {}).status_code == 401


def test_a_sender_that_hangs_up_half_way_leaves_nothing(receiver: Receiving) -> None:
    with raw(receiver) as connection:
        connection.sendall(b'POST /hooks/sentry HTTP/1.1\r\nHost: bridge\r\nContent-Length: 999\r\n\r\n{"a"')

    assert receiver.post("sentry").status_code == 202, "the next one is served"
    assert len(receiver.inbox()) == 1


def raw(receiver: Receiving) -> socket.socket:
    address = urlsplit(receiver.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10)


# --- trace ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Trace-ID": "mine"}, TRACE),
        ({"X-Trace-ID": "deploy-42.retry:1"}, "deploy-42.retry:1"),
    ],
)
def test_a_requests_own_trace_id_is_in_its_answer(receiver: Receiving, headers: dict[str, str], expected: str) -> None:
    assert receiver.post("alertmanager", **headers).headers["x-trace-id"] == expected
    assert receiver.send("nope", b"", headers).headers["x-trace-id"] == expected


@pytest.mark.parametrize("headers", [{}, {"traceparent": "00-xyz"}, {"X-Trace-ID": "a b\tc"}, {"X-Trace-ID": "x" * 65}])
def test_without_a_usable_one_there_is_a_new_one(receiver: Receiving, headers: dict[str, str]) -> None:
    answers = [receiver.post("alertmanager", **headers).headers["x-trace-id"] for _ in range(2)]

    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in answers)
    assert answers[0] != answers[1]


def test_a_requests_own_trace_id_never_becomes_the_alerts(receiver: Receiving) -> None:
    receiver.post("cloudwatch", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")

    (alert,) = receiver.inbox()
    assert alert.trace_id == ""


# --- the SNS handshake -------------------------------------------------------------------------------------


def asked(sns: World, topic: str = TOPIC) -> Sample:
    body = sns.sns.confirmation(topic, datetime.now(UTC))
    return Sample(headers={"content-type": "text/plain", "x-amz-sns-message-type": sns_words.CONFIRMATION}, body=body)


def test_a_subscription_of_an_allowed_topic_is_confirmed(receiver: Receiving, sns: World) -> None:
    answer = receiver.post("cloudwatch", asked(sns))

    assert answer.status_code == 200
    assert TOPIC in answer.json()["confirmed"]
    assert sns.sns.confirmed == [TOPIC]
    assert receiver.inbox() == []


def test_a_subscription_of_another_topic_is_never_visited(receiver: Receiving, sns: World) -> None:
    assert receiver.post("cloudwatch", asked(sns, TOPIC + "-of-others")).status_code == 401
    assert sns.sns.confirmed == []


@pytest.mark.parametrize("status", [403, 500])
def test_a_confirmation_that_fails_is_answered_503_so_that_sns_asks_again(
    receiver: Receiving, sns: World, status: int
) -> None:
    sns.answers["/"] = Response(status_code=status)
    answer = receiver.post("cloudwatch", asked(sns))

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    del sns.answers["/"]
    assert receiver.post("cloudwatch", asked(sns)).status_code == 200


def test_a_confirmation_nobody_answers_is_a_503_too(receiver: Receiving, sns: World) -> None:
    async def hang_up(scope: object, receive: object, send: object) -> None:
        raise ConnectionAbortedError

    sns.answers["/"] = hang_up
    answer = receiver.post("cloudwatch", asked(sns))

    assert answer.status_code == 503, answer.text
    assert "SNS" in answer.json()["error"]


def test_a_certificate_that_cannot_be_fetched_is_a_503(receiver: Receiving, sns: World) -> None:
    path = next(urlsplit(str(r.path)).path for r in sns.sns.routes() if str(getattr(r, "path", "")).endswith(".pem"))
    sns.answers[path] = Response(status_code=500)
    answer = receiver.post("cloudwatch")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert receiver.dead_letters() == []
