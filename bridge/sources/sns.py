"""Amazon SNS over HTTP(S): the envelope, the proof, the handshake.

Facts: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages" and "HTTP/HTTPS notification
JSON format"; the rule for certificate hosts is the one of AWS's own validators for PHP and JavaScript.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from bridge.domain.words import clip, duration
from bridge.ports import Unverified
from bridge.sources.sns_fetch import Certificates, CertificateUnavailable, Hosts, confirm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

__all__ = [
    "CertificateUnavailable",
    "Envelope",
    "Hosts",
    "Signer",
    "Verifier",
    "canonical",
    "confirm",
    "decode",
    "headers",
    "notification",
    "timestamp",
]

NOTIFICATION = "Notification"
CONFIRMATION = "SubscriptionConfirmation"
UNSUBSCRIBED = "UnsubscribeConfirmation"
FUTURE = timedelta(minutes=5)
"""How far a sender's clock may be ahead."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """What SNS posts. UnsubscribeURL and MessageAttributes are not read: the signature does not cover them."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str = ""
    signing_cert_url: str = msgspec.field(name="SigningCertURL", default="")
    subject: str | None = None
    token: str = ""
    subscribe_url: str = msgspec.field(name="SubscribeURL", default="")

    @property
    def region(self) -> str:
        """Region code of the topic, or empty."""
        return (self.topic_arn.split(":") + [""] * 4)[3]

    @property
    def sent_at(self) -> datetime:
        """The signed Timestamp, aware; raises ValueError when it is none."""
        at = datetime.fromisoformat(self.timestamp)
        if at.tzinfo is None:
            raise ValueError("the Timestamp has no zone")
        return at


_DECODER = msgspec.json.Decoder(Envelope)


def decode(body: bytes) -> Envelope:
    """Return the envelope in a request's body; raises ValueError that says what is wrong and where."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is no SNS message: {error}") from error


def _signed(envelope: Envelope) -> dict[str, str]:
    fields = {
        "Message": envelope.message,
        "MessageId": envelope.message_id,
        "Timestamp": envelope.timestamp,
        "TopicArn": envelope.topic_arn,
        "Type": envelope.type,
    }
    if envelope.type != NOTIFICATION:
        return fields | {"SubscribeURL": envelope.subscribe_url, "Token": envelope.token}
    return fields if envelope.subject is None else fields | {"Subject": envelope.subject}


def canonical(envelope: Envelope) -> bytes:
    r"""Return the text that SNS signs: `Key\nValue\n` of the signed fields, keys in byte order, UTF-8."""
    fields = _signed(envelope)
    return "".join(f"{key}\n{fields[key]}\n" for key in sorted(fields)).encode()


def _ambiguous(envelope: Envelope) -> bool:
    """Return True when the canonical text could be cut into other fields than these.

    It could if a value but Message held a line break: a publisher's text would then pass for a Subject or an id.
    """
    return any("\n" in value for key, value in _signed(envelope).items() if key != "Message")


class Verifier:
    """Proves that an envelope comes from SNS, from an allowed topic, and lately."""

    def __init__(
        self, topics: Collection[str], hosts: Hosts, max_age: timedelta, versions: Collection[int] = (1, 2)
    ) -> None:
        self._topics = frozenset(topics)
        self._hosts = hosts
        self._max_age = max_age
        self._versions = frozenset(map(str, versions))
        self._certificates = Certificates()

    def needs_io(self, envelope: Envelope) -> bool:
        """Return True when `verify` would fetch the certificate."""
        return envelope.topic_arn in self._topics and envelope.signing_cert_url not in self._certificates

    def verify(self, envelope: Envelope, now: datetime) -> None:
        """Return if the proof holds; raises Unverified, or CertificateUnavailable when that can't be known.

        Nothing is fetched for a topic that isn't allowed, or for an address that isn't.
        """
        self._admit(envelope, now)
        certificate = self._certificates.get(envelope.signing_cert_url)
        if not certificate.not_before <= now <= certificate.not_after:
            raise Unverified("the signing certificate is not valid at this time: check this host's clock")
        check_signature(envelope, certificate.key)

    def _admit(self, envelope: Envelope, now: datetime) -> None:
        if envelope.topic_arn not in self._topics:
            raise Unverified(f"topic {clip(envelope.topic_arn, 200)!r} is not in topic_arns: add it if it is yours")
        if envelope.type not in (NOTIFICATION, CONFIRMATION, UNSUBSCRIBED):
            raise Unverified(f"SNS knows no Type {clip(envelope.type, 40)!r}")
        if envelope.signature_version not in self._versions:
            allowed = " or ".join(sorted(self._versions))
            raise Unverified(f"SignatureVersion {clip(envelope.signature_version, 10)!r} is not {allowed}")
        if _ambiguous(envelope):
            raise Unverified("a signed field other than Message has a line break in it")
        self._recent(envelope, now)
        if not self._hosts.may_sign(envelope.signing_cert_url, envelope.region):
            url = clip(envelope.signing_cert_url, 200)
            raise Unverified(f"SigningCertURL {url!r} is no address of SNS in the topic's region, nor a signing host")

    def _recent(self, envelope: Envelope, now: datetime) -> None:
        try:
            age = now - envelope.sent_at
        except (ValueError, OverflowError) as error:
            raise Unverified("the signed Timestamp can't be read") from error
        if not -FUTURE <= age <= self._max_age:
            said = f"{duration(age)} old" if age > timedelta() else f"{duration(-age)} in the future"
            raise Unverified(f"the signed Timestamp is {said}: check this host's clock, or raise max_age")


def check_signature(envelope: Envelope, key: RSAPublicKey) -> None:
    """Return if the envelope's signature is the key's; raises Unverified. RSA PKCS#1 v1.5 over `canonical`."""
    from bridge.sources.sns_key import check  # here, not above: only who hears SNS needs it

    check(key, envelope.signature, canonical(envelope), envelope.signature_version)


class Signer:
    """Signs envelopes as SNS would, with a key of one's own: for the sandbox, `send-test` and the tests."""

    def __init__(self, key: RSAPrivateKey, certificate_url: str) -> None:
        self._key = key
        self.certificate_url = certificate_url

    def sign(self, envelope: Envelope) -> Envelope:
        """Return the envelope with signature and SigningCertURL, by its own SignatureVersion."""
        from bridge.sources.sns_key import sign

        signature = sign(self._key, canonical(envelope), envelope.signature_version)
        return msgspec.structs.replace(envelope, signature=signature, signing_cert_url=self.certificate_url)


def timestamp(at: datetime) -> str:
    """Return a time as SNS writes it: 2026-01-15T09:14:31.402Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notification(topic_arn: str, subject: str | None, message: str, now: datetime, version: int = 2) -> Envelope:
    """Return an unsigned Notification with a MessageId of its own."""
    return Envelope(
        type=NOTIFICATION,
        message_id=str(uuid4()),
        topic_arn=topic_arn,
        subject=subject,
        message=message,
        timestamp=timestamp(now),
        signature_version=str(version),
    )


def headers(envelope: Envelope) -> dict[str, str]:
    """Return the headers SNS posts an envelope with; the JSON travels as text/plain. They prove nothing."""
    return {
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": envelope.type,
        "x-amz-sns-message-id": envelope.message_id,
        "x-amz-sns-topic-arn": envelope.topic_arn,
    }
