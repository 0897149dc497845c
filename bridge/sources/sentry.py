"""Sentry: webhooks of an internal integration, signed with its client secret.

Facts: getsentry/sentry, `sentry_apps/models/sentry_app.py` (`build_signature`) and
https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from bridge import settings
from bridge.domain.alert import Status
from bridge.ports import Ignored, Parsed, Request, Sample, Unparseable, Unverified
from bridge.settings import Secret
from bridge.sources import sentry_sample
from bridge.sources.sentry_event import error, event_alert
from bridge.sources.sentry_issue import issue
from bridge.sources.sentry_metric import metric_alert
from bridge.sources.sentry_reading import one_line

SIGNATURE = "sentry-hook-signature"
_READERS: dict[str, Callable[[str, Request], Parsed]] = {
    "event_alert": event_alert,
    "error": error,
    "issue": issue,
    "metric_alert": metric_alert,
}


def _filled(secret: Secret) -> Secret:
    if not secret.get_secret_value().strip():
        raise ValueError(
            "is empty: copy the Client Secret from Sentry, Settings > Developer Settings > your integration"
        )
    return secret


def _filled_or_none(secret: Secret | None) -> Secret | None:
    return secret if secret and secret.get_secret_value().strip() else None


class SentryOptions(settings.Options):
    """What an operator sets for a Sentry source."""

    client_secret: Annotated[Secret, AfterValidator(_filled)] = Field(examples=["${SENTRY_CLIENT_SECRET}"])
    """Signs every webhook; shown on the integration's page in Sentry."""
    previous_client_secret: Annotated[Secret | None, AfterValidator(_filled_or_none)] = None
    """Accepted beside the new one while the secret is being changed; empty means none."""


class Sentry:
    """Webhooks of one Sentry integration: issue alerts, metric alerts, issues and errors."""

    Options: ClassVar[type[settings.Options]] = SentryOptions

    def __init__(self, name: str, options: SentryOptions) -> None:
        self._name = name
        given = (options.client_secret, options.previous_client_secret)
        self._keys = tuple(key.get_secret_value().strip().encode() for key in given if key)

    def needs_io(self, request: Request) -> bool:
        """Return False: the proof is in the request."""
        return False

    def verify(self, request: Request) -> None:
        """Return if the signature is HMAC-SHA256 of the raw body, in hex, under one of the secrets.

        Both secrets are always tried, so that the time does not tell which. Raises Unverified.
        """
        given = request.headers.get(SIGNATURE, "").strip()
        if not given:
            raise Unverified(_unsigned(request.headers))
        # Bytes: compare_digest raises TypeError on text beyond ASCII.
        proof = given.lower().encode("utf-8", "replace")
        matches = [hmac.compare_digest(proof, signature(key, request.body)) for key in self._keys]
        if not any(matches):
            raise Unverified(
                "Sentry-Hook-Signature does not match: set client_secret to the Client Secret (not the token) of the"
                " Sentry integration that sends here, and let no proxy change the body"
            )

    def parse(self, request: Request) -> Parsed:
        """Return the alert; Ignored for comments, installations and what else says nothing about a problem.

        The resource is named by a header that is not signed: each reader checks that the body agrees.
        """
        resource = request.headers.get("sentry-hook-resource", "").strip().lower()
        if not resource:
            raise Unparseable(
                "no Sentry-Hook-Resource header: let the proxy in front of the bridge pass on Sentry-Hook-* headers"
            )
        read = _READERS.get(resource)
        if read is None:
            return Ignored(f"Sentry's {one_line(resource, 40)} hooks are answered, not alerted")
        return read(self._name, request)

    def sample(self, status: Status, now: datetime) -> Sample:
        """Return a signed issue alert (FIRING), or the resolution or assignment of the same made-up issue."""
        resource, body = sentry_sample.hook(status, now)
        headers = {
            "content-type": "application/json",
            "sentry-hook-resource": resource,
            "sentry-hook-timestamp": str(int(now.timestamp())),
            SIGNATURE: signature(self._keys[0], body).decode(),
        }
        return Sample(headers=headers, body=body)


def signature(key: bytes, body: bytes) -> bytes:
    """Return HMAC-SHA256 of the raw body as lower-case hex."""
    return hmac.digest(key, body, "sha256").hex().encode()


def _unsigned(headers: Mapping[str, str]) -> str:
    """Return why there may be no Sentry-Hook-Signature, and what to do about it."""
    if "x-servicehook-signature" in headers:
        return "this is a Sentry service hook, which is not supported: use an internal integration"
    if "sentry-app-signature" in headers:
        return "this is a request of a Sentry UI component, not of an alert: give that component another address"
    return (
        "no Sentry-Hook-Signature header: is this the legacy WebHooks plugin, which signs nothing?"
        " Use an internal integration (Settings > Developer Settings), and let the proxy pass on Sentry-Hook-* headers"
    )
