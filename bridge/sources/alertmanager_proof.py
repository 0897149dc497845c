"""How Alertmanager proves itself: a bearer token, basic auth or a secret path; it signs nothing."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bridge import settings
from bridge.domain.alert import Severity
from bridge.ports import Request, Unverified
from bridge.settings import Secret


def _filled(secret: Secret | None) -> Secret | None:
    if secret is not None and not secret.get_secret_value().strip():
        raise ValueError(
            "is empty: set it, or the environment variable it is taken from; `openssl rand -hex 32` makes one"
        )
    return secret


def _blank_is_none(secret: Secret | None) -> Secret | None:
    return secret if secret is not None and secret.get_secret_value().strip() else None


Filled = Annotated[Secret | None, AfterValidator(_filled)]


class BasicAuth(settings.Options):
    """What Alertmanager's `http_config.basic_auth` sends."""

    username: Annotated[str, Field(min_length=1, pattern="^[^:]+$")]
    password: Annotated[Secret, AfterValidator(_filled)]


class AlertmanagerOptions(settings.Options):
    """How Alertmanager proves itself; every proof that is set must hold."""

    bearer_token: Filled = Field(default=None, examples=["${ALERTMANAGER_TOKEN}"])
    """As in Alertmanager's `http_config.authorization.credentials`."""
    previous_bearer_token: Annotated[Secret | None, AfterValidator(_blank_is_none)] = None
    """Accepted too, while a new token is rolled out; empty means none."""
    basic_auth: BasicAuth | None = None
    path_secret: Filled = None
    """The last part of the address: POST /hooks/<name>/<path_secret>."""
    default_severity: Severity = Severity.WARNING
    """For alerts whose `severity` and `priority` labels are missing or not understood."""

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if self.bearer_token and self.basic_auth:
            raise ValueError("set bearer_token or basic_auth, not both: Alertmanager sends one Authorization header")
        if self.previous_bearer_token and not self.bearer_token:
            raise ValueError("previous_bearer_token needs bearer_token beside it")
        if not (self.bearer_token or self.basic_auth or self.path_secret):
            raise ValueError(
                "set bearer_token, basic_auth or path_secret: Alertmanager signs nothing, so one is needed"
            )
        return self


class Proof:
    """The configured proofs, ready to be compared with a request."""

    def __init__(self, options: AlertmanagerOptions) -> None:
        tokens = [token for token in (options.bearer_token, options.previous_bearer_token) if token]
        self._bearer = [token.get_secret_value().encode() for token in tokens]
        self._basic = b""
        if basic := options.basic_auth:
            self._basic = f"{basic.username}:{basic.password.get_secret_value()}".encode()
        self._path = options.path_secret.get_secret_value().encode() if options.path_secret else b""

    def check(self, request: Request) -> None:
        """Raise Unverified unless every configured proof holds; compares bytes, in constant time."""
        scheme, _, given = request.headers.get("authorization", "").strip().partition(" ")
        if self._bearer and not self._bearer_holds(scheme, given):
            raise Unverified(
                "no or wrong bearer token: compare bearer_token with http_config.authorization.credentials"
            )
        if self._basic and not self._basic_holds(scheme, given):
            raise Unverified("no or wrong basic auth: compare basic_auth with Alertmanager's http_config.basic_auth")
        if self._path and not hmac.compare_digest(request.path_secret.encode("utf-8", "replace"), self._path):
            raise Unverified("no or wrong path secret: compare path_secret with the end of Alertmanager's webhook url")

    def _bearer_holds(self, scheme: str, given: str) -> bool:
        token = given.strip().encode("latin-1", "replace")
        matches = [hmac.compare_digest(token, expected) for expected in self._bearer]  # each of them, whichever holds
        return any(matches) and scheme.lower() == "bearer"

    def _basic_holds(self, scheme: str, given: str) -> bool:
        try:
            decoded = base64.b64decode(given.strip().encode("latin-1", "replace"), validate=True)
        except binascii.Error:
            return False
        return hmac.compare_digest(decoded, self._basic) and scheme.lower() == "basic"

    def headers(self) -> dict[str, str]:
        """Return the header that Alertmanager would send."""
        if self._bearer:
            return {"authorization": "Bearer " + self._bearer[0].decode()}
        return {"authorization": "Basic " + base64.b64encode(self._basic).decode()} if self._basic else {}

    @property
    def path_secret(self) -> str:
        """The last part of the address, or empty."""
        return self._path.decode()
