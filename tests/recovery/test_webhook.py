"""The signed webhook, against a real server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from bridge.checks import guard
from bridge.pipeline import fence
from bridge.ports import Refused, Unsure
from bridge.recovery import http
from bridge.recovery.webhook import Webhook, WebhookOptions, key_of, signature
from bridge.settings import Secret
from tests.conftest import free_port
from tests.recovery.other_side import KEY, OtherSide, attempt, listening

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver() -> Iterator[OtherSide]:
    with listening() as server:
        yield server


def webhook(url: str, secret: str = SECRET) -> Webhook:
    return Webhook("restart", WebhookOptions(url=Secret(url), secret=Secret(secret)))


@pytest.mark.parametrize(
    ("message_id", "timestamp", "body", "expected"),
    [
        (
            "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            1760000000,
            b'{"type":"incident.opened","timestamp":"2025-10-09T08:53:20Z","data":{"id":"inc_1"}}',
            "v1,g+Ppj3nN+akl/u6gAd9PMa4YT+ZqNfSkv8NyFl69GdQ=",
        ),
        (
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ],
)
def test_it_is_signed_as_the_specification_has_it(message_id: str, timestamp: int, body: bytes, expected: str) -> None:
    assert signature(key_of(SECRET), message_id, timestamp, body) == expected


def test_the_receiver_can_prove_what_arrives_and_reads_of_the_incident(receiver: OtherSide) -> None:
    url = f"{receiver.url}/hooks/restart?token=t0p"
    said = webhook(url).act(attempt(labels={"alertname": "Down"}, trace_id="4bf92f3577b34da6a3ce929d0e0e4736"))

    (asked,) = receiver.asked
    headers = asked.headers
    assert (asked.method, asked.path, headers["webhook-id"]) == ("POST", "/hooks/restart?token=t0p", KEY)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{KEY}.{headers['webhook-timestamp']}.".encode() + asked.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told = json.loads(asked.body)
    assert (told["type"], told["data"]["action"]) == ("incident.recovery", "restart")
    assert datetime.fromisoformat(told["timestamp"]).tzinfo
    incident = told["data"]["incident"]
    assert (incident["service"], incident["labels"]) == ("checkout", {"alertname": "Down"})
    assert incident["links"] == [{"label": "Trace", "url": "https://jaeger.example.com/trace/1"}]
    assert incident["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert "t0p" not in said


def test_however_large_the_incident_the_body_stays_small(receiver: OtherSide) -> None:
    webhook(receiver.url).act(
        attempt(title="x" * 9000, summary="y" * 9000, labels={f"l{n}": "z" * 999 for n in range(99)})
    )

    assert len(receiver.asked[0].body) < 20_000


@pytest.mark.parametrize(
    ("status", "problem"),
    [(302, Refused), (400, Refused), (410, Refused), (429, Refused), (408, Unsure), (500, Unsure), (503, Unsure)],
)
def test_an_answer_is_done_refused_or_unsure(receiver: OtherSide, status: int, problem: type[Exception]) -> None:
    receiver.answers = [(status, {"Location": f"{receiver.url}/elsewhere"}, b"")]

    with pytest.raises(problem, match=str(status)):
        webhook(receiver.url).act(attempt())
    assert len(receiver.asked) == 1, "no redirect is followed, nothing is repeated"


def test_no_connection_means_not_done() -> None:
    with pytest.raises(Refused, match="can't be reached"):
        webhook(f"http://127.0.0.1:{free_port()}").act(attempt())


def test_a_connection_that_is_closed_leaves_it_open(receiver: OtherSide) -> None:
    receiver.rude = True

    with pytest.raises(Unsure, match="gave no answer"):
        webhook(receiver.url).act(attempt())


def test_a_receiver_that_drips_is_given_up(receiver: OtherSide, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.silent.set()
    began = time.monotonic()

    with pytest.raises(Unsure):
        http.call("POST", receiver.url, {}, b"{}", within=0.3)
    assert time.monotonic() - began < 30
    assert threading.active_count() < 30


def test_a_worker_that_was_paused_past_its_lease_sends_nothing(receiver: OtherSide) -> None:
    with fence.fenced(fence.clock() - 1), pytest.raises(Refused, match="paused"):
        webhook(receiver.url).act(attempt())

    assert not receiver.asked


def test_the_metadata_address_is_never_asked(receiver: OtherSide, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="keeps credentials"):
        webhook("http://169.254.169.254/latest")
    monkeypatch.setattr(guard, "METADATA", frozenset([ip_address("127.0.0.1")]))  # a name that leads there

    with pytest.raises(Refused, match="where a cloud keeps credentials"):
        webhook(receiver.url.replace("127.0.0.1", "localhost")).act(attempt())
    assert not receiver.asked


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "fd00:ec2::254", "169.254.170.2"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:a9fe:1", "192.0.0.192"),
    ],
)
def test_what_a_metadata_address_is(address: str) -> None:
    assert http.is_metadata(address)
    assert not http.is_metadata("10.0.0.7")
    assert not http.is_metadata("metadata.example.com")


def test_a_name_that_is_none_was_certainly_not_asked() -> None:
    with pytest.raises(Refused, match="can't be reached"):
        webhook("http://shop..example.com/").act(attempt())


@pytest.mark.parametrize("secret", ["hunter2hunter2", "whsec_", "whsec_AAAA", "whsec_" + "A" * 200, "whsec_ü"])
def test_a_secret_that_no_receiver_takes_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValidationError, match="24 to 64 bytes") as refused:
        webhook("https://ci.example.com/", secret)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["ci.example.com", "ftp://x", "https://u:p@x/", "https://x:99999/", "https:///x", "https://x y"]
)
def test_an_address_that_can_not_be_called_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="https://host/path"):
        webhook(url)


def test_only_the_host_is_shown(receiver: OtherSide) -> None:
    action = webhook("https://ci.example.com/hooks/s3cr3t")

    shown = [action.plan(attempt().incident), action.target(attempt().incident), *(f.what for f in action.examine())]
    assert all("ci.example.com" in text and "s3cr3t" not in text for text in shown)
