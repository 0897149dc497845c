from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from bridge.ports import Unverified
from bridge.sandbox.sns import LocalSns, new_key, self_signed
from bridge.sources import sns
from bridge.sources.sns_fetch import is_loopback
from tests.conftest import free_port
from tests.sources.sns_world import KEY, NOW, TOPIC, World, local_sns

PEM = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
AWS = "https://sns.eu-central-1.amazonaws.com"
TOKEN = "51b2ff3edb475b7d91550e0ab6edf0c1"
QUERY = f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"


@pytest.fixture(scope="module")
def server() -> Iterator[World]:
    with local_sns() as running:
        yield running


@pytest.fixture
def world(server: World) -> World:
    return server.fresh()


def verifier(world: World, **more: object) -> sns.Verifier:
    options: dict[str, object] = {"versions": (1, 2), "max_age": timedelta(hours=2)} | more
    return sns.Verifier((TOPIC,), sns.Hosts((world.host,)), **options)  # type: ignore[arg-type]


def envelope(**more: object) -> sns.Envelope:
    fields: dict[str, object] = {
        "type": sns.NOTIFICATION,
        "message_id": "8e1f0d6c-3b5a-5f6e-9f0a-4a1b2c3d4e5f",
        "topic_arn": TOPIC,
        "message": "die Prüfung schlug fehl ☠",
        "timestamp": sns.timestamp(NOW),
        "signature_version": "2",
    }
    return sns.Envelope(**(fields | more))  # type: ignore[arg-type]


def confirmation(kind: str = sns.CONFIRMATION, url: str = f"{AWS}/?{QUERY}") -> sns.Envelope:
    return envelope(type=kind, token=TOKEN, subscribe_url=url)


# --- what is signed ---------------------------------------------------------------------------------------


def test_a_notification_is_signed_over_its_fields_in_byte_order_with_the_subject_only_if_there_is_one() -> None:
    bare = (
        "Message\ndie Prüfung schlug fehl ☠\nMessageId\n8e1f0d6c-3b5a-5f6e-9f0a-4a1b2c3d4e5f\n"
        f"Timestamp\n2026-03-14T09:26:53.589Z\nTopicArn\n{TOPIC}\nType\nNotification\n"
    )
    assert sns.canonical(envelope()) == bare.encode()
    assert sns.canonical(envelope(subject="Nacht")) == bare.replace("Timestamp", "Subject\nNacht\nTimestamp").encode()
    assert b"Subject\n\nTimestamp" in sns.canonical(envelope(subject=""))


@pytest.mark.parametrize("kind", [sns.CONFIRMATION, sns.UNSUBSCRIBED])
def test_both_confirmations_are_signed_over_their_url_and_token(kind: str) -> None:
    assert sns.canonical(confirmation(kind)).decode().splitlines()[4:10] == [
        "SubscribeURL",
        f"{AWS}/?{QUERY}",
        "Timestamp",
        "2026-03-14T09:26:53.589Z",
        "Token",
        TOKEN,
    ]


@pytest.mark.parametrize(("version", "digest"), [("1", hashes.SHA1()), ("2", hashes.SHA256())])
def test_version_1_is_sha1_and_version_2_is_sha256(version: str, digest: hashes.HashAlgorithm) -> None:
    unsigned = envelope(signature_version=version)
    signature = KEY.sign(sns.canonical(unsigned), PKCS1v15(), digest)
    by_hand = msgspec.structs.replace(unsigned, signature=base64.b64encode(signature).decode())
    sns.check_signature(by_hand, KEY.public_key())
    assert sns.Signer(KEY, "x").sign(unsigned).signature == by_hand.signature


def test_the_json_of_sns_is_read_and_what_is_not_signed_is_not_read() -> None:
    body = (
        b'{"Type":"Notification","MessageId":"i","TopicArn":"t","Message":"m","Timestamp":"now","SignatureVersion":"1"'
        b',"Signature":"s","SigningCertURL":"c","UnsubscribeURL":"u","MessageAttributes":{"a":{"Type":"String"}}}'
    )
    assert sns.decode(body) == sns.Envelope(
        type="Notification",
        message_id="i",
        topic_arn="t",
        message="m",
        timestamp="now",
        signature_version="1",
        signature="s",
        signing_cert_url="c",
    )
    assert sns.decode(msgspec.json.encode(confirmation())) == confirmation()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"Type": 1}', b"\xff", b'{"Type":"\xff"}', b"[" * 100_000, b'{"Type":"\\ud800"}'],
)
def test_what_is_no_envelope_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="no SNS message"):
        sns.decode(body)


# --- the proof --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("kind", [sns.NOTIFICATION, sns.CONFIRMATION, sns.UNSUBSCRIBED])
def test_what_sns_signed_is_believed(world: World, version: str, kind: str) -> None:
    unsigned = envelope(type=kind, signature_version=version, token=TOKEN, subscribe_url="https://x")
    verifier(world).verify(world.sns.signer.sign(unsigned), NOW)


TAMPERED = {
    "type": sns.UNSUBSCRIBED,
    "message_id": "another",
    "topic_arn": TOPIC.replace("pages", "other"),
    "message": "die Prüfung schlug fehl!",
    "timestamp": sns.timestamp(NOW + timedelta(seconds=1)),
    "signature_version": "1",
    "signature": base64.b64encode(b"\0" * 256).decode(),
    "subject": "other",
}


@pytest.mark.parametrize("field", TAMPERED)
def test_a_notification_with_one_field_changed_is_refused(world: World, field: str) -> None:
    good = world.sns.signer.sign(envelope(subject="Nacht"))
    with pytest.raises(Unverified):
        verifier(world).verify(msgspec.structs.replace(good, **{field: TAMPERED[field]}), NOW)


def test_a_subject_taken_away_or_added_is_refused(world: World) -> None:
    for signed, shown in (("Nacht", None), (None, ""), (None, "Nacht"), ("", None)):
        good = world.sns.signer.sign(envelope(subject=signed))
        with pytest.raises(Unverified):
            verifier(world).verify(msgspec.structs.replace(good, subject=shown), NOW)


@pytest.mark.parametrize("field", ["token", "subscribe_url", "message", "timestamp", "message_id"])
def test_a_confirmation_with_one_field_changed_is_refused(world: World, field: str) -> None:
    good = world.sns.signer.sign(confirmation())
    changed = sns.timestamp(NOW + timedelta(seconds=1)) if field == "timestamp" else getattr(good, field) + "1"
    with pytest.raises(Unverified):
        verifier(world).verify(msgspec.structs.replace(good, **{field: changed}), NOW)


@pytest.mark.parametrize("signature", ["", "not base64!", "ünïcödé", "QUJD", "QUJD\n", "A" * 100_000])
def test_a_signature_that_is_none_is_refused(world: World, signature: str) -> None:
    good = world.sns.signer.sign(envelope())
    with pytest.raises(Unverified, match="signature"):
        verifier(world).verify(msgspec.structs.replace(good, signature=signature), NOW)


def test_a_signature_by_another_key_is_refused(world: World) -> None:
    forged = sns.Signer(new_key(), world.sns.signer.certificate_url).sign(envelope())
    with pytest.raises(Unverified, match="does not hold"):
        verifier(world).verify(forged, NOW)


@pytest.mark.parametrize("version", ["", "0", "3", "1 ", "1\n", "²"])
def test_a_signature_version_that_does_not_exist_is_refused_before_anything_is_fetched(
    world: World, version: str
) -> None:
    good = world.sns.signer.sign(envelope())
    with pytest.raises(Unverified, match="SignatureVersion"):
        verifier(world).verify(msgspec.structs.replace(good, signature_version=version), NOW)
    assert world.asked == []


def test_version_1_can_be_switched_off(world: World) -> None:
    only = verifier(world, versions=(2,))
    only.verify(world.sns.signer.sign(envelope()), NOW)
    with pytest.raises(Unverified, match="is not 2"):
        only.verify(world.sns.signer.sign(envelope(signature_version="1")), NOW)


def test_a_text_cut_into_other_fields_with_the_same_signature_is_refused(world: World) -> None:
    good = world.sns.signer.sign(envelope(message="quiet\nMessageId\nmine\nSubject\nloud"))
    recut = msgspec.structs.replace(
        good, message="quiet", message_id="mine", subject=f"loud\nMessageId\n{good.message_id}"
    )
    assert sns.canonical(recut) == sns.canonical(good)
    verifier(world).verify(good, NOW)
    with pytest.raises(Unverified, match="line break"):
        verifier(world).verify(recut, NOW)


@pytest.mark.parametrize(
    ("age", "believed"),
    [
        (timedelta(hours=2), True),
        (timedelta(hours=2, milliseconds=1), False),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, milliseconds=-1), False),
        (timedelta(days=8), False),
    ],
)
def test_only_messages_of_the_last_two_hours_are_believed(world: World, age: timedelta, believed: bool) -> None:
    signed = world.sns.signer.sign(envelope(timestamp=sns.timestamp(NOW - age)))
    if believed:
        verifier(world).verify(signed, NOW)
    else:
        with pytest.raises(Unverified, match="Timestamp"):
            verifier(world).verify(signed, NOW)


@pytest.mark.parametrize(
    ("age", "said"), [(timedelta(days=1), "1 d old"), (timedelta(minutes=-22), "22 min in the future")]
)
def test_a_wrong_clock_is_told_in_words(world: World, age: timedelta, said: str) -> None:
    with pytest.raises(Unverified, match=f"Timestamp is {said}: check this host's clock"):
        verifier(world).verify(world.sns.signer.sign(envelope(timestamp=sns.timestamp(NOW - age))), NOW)


@pytest.mark.parametrize("written", ["", "yesterday", "2026-03-14T09:26:53", "0001-01-01T00:00:00+23:59"])
def test_a_timestamp_that_is_no_time_is_refused(world: World, written: str) -> None:
    with pytest.raises(Unverified, match="Timestamp"):
        verifier(world).verify(world.sns.signer.sign(envelope(timestamp=written)), NOW)


def test_an_unlisted_topic_and_an_unknown_type_cause_no_connection_at_all(world: World) -> None:
    for strange in (envelope(topic_arn=TOPIC + "2"), envelope(topic_arn=""), envelope(type="Notification ")):
        signed = world.sns.signer.sign(strange)
        with pytest.raises(Unverified):
            verifier(world).verify(signed, NOW)
    assert not verifier(world).needs_io(envelope(topic_arn=TOPIC + "2"))
    assert world.asked == []


# --- certificates -----------------------------------------------------------------------------------------


def answer(world: World, path: str, response: Response) -> sns.Envelope:
    """Return an envelope signed under a certificate that is answered with that response."""
    world.answers[path] = response
    return sns.Signer(KEY, world.url + path).sign(envelope())


def test_a_certificate_is_fetched_once_also_when_many_ask_at_the_same_time(world: World) -> None:
    believer, signed = verifier(world), world.sns.signer.sign(envelope())
    assert believer.needs_io(signed)
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(believer.verify, signed, NOW) for _ in range(24)]:
            done.result()
    assert not believer.needs_io(signed)
    assert len(world.asked) == 1


def test_a_redirecting_certificate_server_is_refused_and_not_followed(world: World) -> None:
    signed = answer(world, "/moved.pem", RedirectResponse(world.sns.signer.certificate_url))
    with pytest.raises(Unverified, match="redirects"):
        verifier(world).verify(signed, NOW)
    assert world.asked == ["/moved.pem"]


def test_an_oversized_certificate_is_refused(world: World) -> None:
    signed = answer(world, "/big.pem", PlainTextResponse(self_signed(KEY) + b"\n" * 65536))
    with pytest.raises(Unverified, match="larger"):
        verifier(world).verify(signed, NOW)


def _elliptic() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    return unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("text", [b"", b"<html>", self_signed(KEY)[:200], _elliptic()])
def test_what_is_no_rsa_certificate_is_refused(world: World, text: bytes) -> None:
    with pytest.raises(Unverified, match="certificate"):
        verifier(world).verify(answer(world, "/odd.pem", PlainTextResponse(text)), NOW)


def test_a_certificate_counts_only_between_its_dates_also_once_it_is_known(world: World) -> None:
    pem = self_signed(KEY, NOW, NOW + timedelta(minutes=10))
    signed = answer(world, "/short.pem", PlainTextResponse(pem))
    believer = verifier(world)
    for early_or_late in (NOW - timedelta(minutes=1), NOW + timedelta(minutes=11)):
        with pytest.raises(Unverified, match="not valid at this time"):
            believer.verify(signed, early_or_late)
    believer.verify(signed, NOW + timedelta(minutes=5))


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_an_error_of_the_certificate_server_says_nothing_about_the_sender(world: World, status: int) -> None:
    with pytest.raises(sns.CertificateUnavailable, match=str(status)):
        verifier(world).verify(answer(world, "/sorry.pem", Response(status_code=status)), NOW)


def test_a_certificate_server_that_refuses_connections_says_nothing_about_the_sender() -> None:
    gone = f"127.0.0.1:{free_port()}"
    believer = sns.Verifier((TOPIC,), sns.Hosts((gone,)), timedelta(hours=2))
    with pytest.raises(sns.CertificateUnavailable, match="deliver again"):
        believer.verify(sns.Signer(KEY, f"http://{gone}{PEM}").sign(envelope()), NOW)


def test_a_signing_host_that_cannot_be_asked_says_nothing_about_the_sender() -> None:
    believer = sns.Verifier((TOPIC,), sns.Hosts(("localhost:99999",)), timedelta(hours=2))
    with pytest.raises(sns.CertificateUnavailable, match="localhost:99999"):
        believer.verify(sns.Signer(KEY, f"http://localhost:99999{PEM}").sign(envelope()), NOW)


async def _drip(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(100):
        await send({"type": "http.response.body", "body": b"-", "more_body": True})
        await asyncio.sleep(0.2)


def test_a_dripping_certificate_server_is_given_up_after_three_seconds(world: World) -> None:
    world.answers["/drip.pem"] = _drip
    with pytest.raises(sns.CertificateUnavailable, match="longer than 3 s"):
        verifier(world).verify(sns.Signer(KEY, world.url + "/drip.pem").sign(envelope()), NOW)


def test_no_more_certificates_are_kept_than_the_limit(world: World) -> None:
    believer = verifier(world)
    first = answer(world, "/0.pem", PlainTextResponse(self_signed(KEY)))
    for n in range(17):
        believer.verify(answer(world, f"/{n}.pem", PlainTextResponse(self_signed(KEY))), NOW)
    assert believer.needs_io(first)


# --- what may be fetched ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (AWS + PEM, "eu-central-1"),
        (AWS + ":443" + PEM, "eu-central-1"),
        ("https://sns.us-gov-west-1.amazonaws.com" + PEM, "us-gov-west-1"),
        ("https://sns.cn-north-1.amazonaws.com.cn" + PEM, "cn-north-1"),
    ],
)
def test_certificates_of_the_topics_region_may_be_fetched(url: str, region: str) -> None:
    assert sns.Hosts().may_sign(url, region)


REFUSED = [
    "",
    "http://sns.eu-central-1.amazonaws.com" + PEM,
    "HTTPS://sns.eu-central-1.amazonaws.com" + PEM,
    "https://sns.eu-west-1.amazonaws.com" + PEM,
    "https://sns.amazonaws.com" + PEM,
    "https://sns.eu.central.amazonaws.com" + PEM,
    "https://xsns.eu-central-1.amazonaws.com" + PEM,
    "https://snsxeu-central-1.amazonaws.com" + PEM,
    "https://pages.s3.eu-central-1.amazonaws.com" + PEM,
    "https://s3.amazonaws.com/sns.eu-central-1.amazonaws.com" + PEM,
    AWS + ".evil.example" + PEM,
    AWS + "@evil.example" + PEM,
    "https://evil.example/sns.eu-central-1.amazonaws.com" + PEM,
    "https://me:pw@sns.eu-central-1.amazonaws.com" + PEM,
    "https://@sns.eu-central-1.amazonaws.com" + PEM,
    AWS + ":8443" + PEM,
    AWS + ":" + PEM,
    AWS + ":0443" + PEM,
    AWS + PEM + "?x=1",
    AWS + PEM + "?",
    AWS + PEM + "#x",
    AWS + PEM + "#",
    AWS + PEM + "\n",
    AWS + PEM + " ",
    " " + AWS + PEM,
    "https://sns.eu-central-1.amazonaws.com\n.evil.example" + PEM,
    "https://sns.eu-central-1\t.amazonaws.com" + PEM,
    "https://sns.eu-central-1.amazonaws.com\\.evil.example" + PEM,
    "https://sns.eu-central-1%2eamazonaws.com" + PEM,
    AWS + "/%2e%2e" + PEM,
    AWS + "/a" + PEM,
    AWS + "//" + PEM,
    AWS + "/x.crt",
    AWS + "/",
    AWS + "/x.pem/",
    "https://sns.eu-central-1.amazonaws.com.cn.evil" + PEM,
    "https://sns.eu-central-1.amazonaws。com" + PEM,
    "https://ѕns.eu-central-1.amazonaws.com" + PEM,
    "https://sns.eu-central-１.amazonaws.com" + PEM,
    "file:///etc/ssl/x.pem",
    "https://169.254.169.254/x.pem",
    "http://localhost/x.pem",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_certificate_from_elsewhere_is_never_fetched(url: str) -> None:
    assert not sns.Hosts().may_sign(url, "eu-central-1")
    assert not sns.Hosts(("localhost:4566", "sns.example.com")).may_sign(url, "eu-central-1")


def test_a_forbidden_address_causes_no_connection(world: World) -> None:
    nobody = sns.Verifier((TOPIC,), sns.Hosts(), timedelta(hours=2))
    with pytest.raises(Unverified, match="SigningCertURL"):
        nobody.verify(world.sns.signer.sign(envelope()), NOW)
    assert world.asked == []


@pytest.mark.parametrize(
    ("host", "url", "trusted"),
    [
        ("localhost:4566", "http://localhost:4566/_aws/sns" + PEM, True),
        ("localhost:4566", "https://localhost:4566" + PEM, True),
        ("127.0.0.1:4566", "http://127.0.0.1:4566" + PEM, True),
        ("[::1]:4566", "http://[::1]:4566" + PEM, True),
        ("sns.example.com", "https://sns.example.com" + PEM, True),
        ("sns.example.com", "http://sns.example.com" + PEM, False),
        ("10.0.0.1", "http://10.0.0.1" + PEM, False),
        ("localhost.evil.example", "http://localhost.evil.example" + PEM, False),
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example" + PEM, False),
        ("localhost:4566", "http://localhost" + PEM, False),
        ("localhost:4566", "http://localhost:45660" + PEM, False),
        ("localhost:4566", "http://localhost:4566@evil.example" + PEM, False),
        ("sns.example.com", "https://snsxexample.com" + PEM, False),
        ("sns.example.com", "https://sns.example.com/../x" + PEM, False),
    ],
)
def test_an_operators_signing_host_is_trusted_as_written_and_in_plain_http_only_on_the_loopback(
    host: str, url: str, trusted: bool
) -> None:
    assert sns.Hosts((host,)).may_sign(url, "eu-central-1") is trusted


def test_a_host_is_loopback_by_its_address_not_by_how_it_begins() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1:80", "127.8.8.8", "[::1]:1", "[::1]")))
    assert not any(map(is_loopback, ("localhost.x", "128.0.0.1", "0.0.0.0", "", "[::2]:1", "a.localhost", "127.1")))


@pytest.mark.parametrize(
    "url",
    [f"{AWS}/?{QUERY}", f"{AWS}:443/?Token={TOKEN}&TopicArn={TOPIC.replace(':', '%3A')}&Action=ConfirmSubscription"],
)
def test_a_confirmation_of_the_topic_itself_may_be_visited(url: str) -> None:
    assert sns.Hosts().may_confirm(url, "eu-central-1", TOPIC, TOKEN)


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"{AWS}/",
        f"http://sns.eu-central-1.amazonaws.com/?{QUERY}",
        f"https://sns.eu-west-1.amazonaws.com/?{QUERY}",
        f"https://me@sns.eu-central-1.amazonaws.com/?{QUERY}",
        f"{AWS}.evil.example/?{QUERY}",
        f"{AWS}:8443/?{QUERY}",
        f"{AWS}/x?{QUERY}",
        f"{AWS}?{QUERY}",
        f"{AWS}/?{QUERY}#x",
        f"{AWS}/?{QUERY}\n",
        f"{AWS}/?{QUERY}&Token={TOKEN}",
        f"{AWS}/?{QUERY}&Version=2010-03-31",
        f"{AWS}/?{QUERY}2",
        f"{AWS}/?Action=ConfirmSubscription&TopicArn={TOPIC}",
        f"{AWS}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=",
        f"{AWS}/?Action=Unsubscribe&TopicArn={TOPIC}&Token={TOKEN}",
        f"{AWS}/?Action=ConfirmSubscription&TopicArn={TOPIC}2&Token={TOKEN}",
        f"https://pages.s3.eu-central-1.amazonaws.com/?{QUERY}",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_no_other_address_is_visited_to_confirm(url: str) -> None:
    assert not sns.Hosts(("localhost:4566",)).may_confirm(url, "eu-central-1", TOPIC, TOKEN)
    assert not sns.Hosts().may_confirm(url, "eu-central-1", TOPIC, "")


# --- the local SNS ----------------------------------------------------------------------------------------


def test_the_local_sns_confirms_what_it_asked_and_nothing_else(world: World) -> None:
    asked = sns.decode(world.sns.confirmation(TOPIC, NOW, 1))
    verifier(world).verify(asked, NOW)
    assert sns.Hosts((world.host,)).may_confirm(asked.subscribe_url, asked.region, TOPIC, asked.token)
    sns.confirm(asked.subscribe_url)
    assert world.sns.confirmed == [TOPIC]
    assert httpx.get(world.url, params={"Action": "Unsubscribe"}).status_code == 400
    with pytest.raises(OSError, match="answered 400"):
        sns.confirm(world.url + "/?Action=Unsubscribe")
    assert world.sns.confirmed == [TOPIC]


def test_the_local_sns_keeps_its_certificates_address_with_its_key_and_changes_it_with_another() -> None:
    first, again, other = (LocalSns("http://127.0.0.1:1/sns/", key) for key in (KEY, KEY, None))
    assert first.signer.certificate_url == again.signer.certificate_url != other.signer.certificate_url
    assert first.signer.certificate_url.startswith("http://127.0.0.1:1/sns/SimpleNotificationService-")
