"""A tiny SNS of one's own: signs like SNS, serves its certificate, and takes confirmations."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.sources import sns

_BEGIN, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def new_key() -> rsa.RSAPrivateKey:
    """Return a fresh RSA-2048 key, as SNS uses."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def self_signed(key: rsa.RSAPrivateKey, not_before: datetime = _BEGIN, not_after: datetime = _END) -> bytes:
    """Return a certificate of the key by the key, as PEM; the same key and times give the same bytes."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alert-bridge sandbox")])
    unsigned = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=not_before,
        not_valid_after=not_after,
    )
    return unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class LocalSns:
    """An SNS at `base_url` (`http://127.0.0.1:8025`, or with a path where its routes are mounted).

    A bridge believes it when `signing_hosts` names its host and port. The certificate's address holds its
    hash: after a restart with another key it is another address, so nobody's cache goes stale.
    """

    def __init__(self, base_url: str, key: rsa.RSAPrivateKey | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key or new_key()
        self._certificate = self_signed(self._key)
        self._path = f"/SimpleNotificationService-{hashlib.sha256(self._certificate).hexdigest()[:32]}.pem"
        self.signer = sns.Signer(self._key, self._base_url + self._path)
        self.confirmed: list[str] = []
        """Topics whose subscriptions were confirmed, in order."""

    def routes(self) -> list[Route]:
        """Return the two things it serves: its certificate, and the confirmation of a subscription."""
        return [
            Route(self._path, self._serve_certificate, methods=["GET"]),
            Route("/", self._confirm, methods=["GET"]),
        ]

    def notification(self, topic_arn: str, subject: str | None, message: str, now: datetime, version: int = 2) -> bytes:
        """Return the signed body of a message."""
        return self._signed(sns.notification(topic_arn, subject, message, now, version))

    def confirmation(self, topic_arn: str, now: datetime, version: int = 2) -> bytes:
        """Return the signed body of the question whether a subscription is wanted."""
        token = uuid4().hex
        query = f"Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}"
        asked = sns.notification(topic_arn, None, f"You have chosen to subscribe to {topic_arn}.", now, version)
        return self._signed(
            msgspec.structs.replace(
                asked, type=sns.CONFIRMATION, token=token, subscribe_url=f"{self._base_url}/?{query}"
            )
        )

    def _signed(self, envelope: sns.Envelope) -> bytes:
        return msgspec.json.encode(self.signer.sign(envelope))

    async def _serve_certificate(self, _: Request) -> Response:
        return Response(self._certificate, media_type="application/x-pem-file")

    async def _confirm(self, request: Request) -> Response:
        topic_arn = request.query_params.get("TopicArn", "")
        if request.query_params.get("Action") != "ConfirmSubscription" or not topic_arn:
            return Response("ask /?Action=ConfirmSubscription&TopicArn=…&Token=…", status_code=400)
        self.confirmed.append(topic_arn)
        return Response("<ConfirmSubscriptionResponse/>", media_type="text/xml")
