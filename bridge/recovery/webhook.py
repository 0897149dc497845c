"""A signed webhook, as the Standard Webhooks specification has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, Field

from bridge.domain.incident import Incident
from bridge.domain.words import clip
from bridge.ports import Attempt, Finding, Level
from bridge.recovery import http
from bridge.settings import Options, Secret

PREFIX = "whsec_"
TITLE, SUMMARY, LABEL, LABELS = 300, 1000, 200, 40
"""Characters, and labels: the specification asks for bodies of less than 20 kB."""
_ADDRESS = re.compile(r"https?://[!-~]+", re.IGNORECASE)


def _address(url: Secret) -> Secret:
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        port = parts.port  # raises ValueError for one that is none
        sound = bool(_ADDRESS.fullmatch(text) and parts.hostname and port != 0 and "@" not in parts.netloc)
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("is not an address to send to: write https://host/path")
    if http.is_metadata(parts.hostname or ""):
        raise ValueError("is where a cloud keeps credentials: the bridge never goes there")
    return url


def key_of(secret: str) -> bytes:
    """Return the key in a secret `whsec_<base64>`; raises ValueError, without the secret, for anything else."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(
            'has to be whsec_ and 24 to 64 bytes in base64: make one with `echo "whsec_$(openssl rand -base64 32)"`'
        )
    return key


def _sound_key(secret: Secret) -> Secret:
    key_of(secret.get_secret_value())
    return secret


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header webhook-signature, version 1: HMAC-SHA256 over id, time (Unix seconds) and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


class WebhookOptions(Options):
    """What an operator sets for an action of this kind."""

    url: Annotated[Secret, AfterValidator(_address)] = Field(examples=["${RESTART_URL}"])
    """http or https; only its host is ever shown."""
    secret: Annotated[Secret, AfterValidator(_sound_key)] = Field(examples=["${RESTART_SECRET}"])
    """`whsec_` and the key in base64, as receivers take it."""


class Webhook:
    """Tells a receiver of the operator's own, which does what is to be done."""

    Options: ClassVar[type[Options]] = WebhookOptions

    def __init__(self, name: str, options: WebhookOptions) -> None:
        self._name = name
        self._url = options.url.get_secret_value()
        self._key = key_of(options.secret.get_secret_value())
        self._host = urlsplit(self._url).netloc

    def target(self, incident: Incident) -> str:
        """Return the receiver's host."""
        return f"the webhook at {self._host}"

    def plan(self, incident: Incident) -> str:
        """Return that it would be called."""
        return f"call the webhook at {self._host}"

    def act(self, attempt: Attempt) -> str:
        """Call it once; the same run always carries the same webhook-id."""
        body = payload(self._name, attempt)
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "alert-bridge",
            "webhook-id": attempt.key,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._key, attempt.key, now, body),
        }
        answer = http.call("POST", self._url, headers, body)
        http.judge(answer, self._host)
        return f"called the webhook at {self._host}, which answered {answer.status}"

    def examine(self) -> Iterable[Finding]:
        """Say what it would call: a webhook can't be asked without being called."""
        yield Finding(Level.OK, f"calls {self._host}, signed (not tried: that would run it)")


def payload(action: str, attempt: Attempt) -> bytes:
    """Return the body that tells of an incident."""
    incident = attempt.incident
    labels = {clip(k, LABEL): clip(v, LABEL) for k, v in list(incident.labels.items())[:LABELS]}
    told = {
        "id": incident.id,
        "title": clip(incident.title, TITLE),
        "summary": clip(incident.summary, SUMMARY),
        "status": incident.status,
        "severity": incident.severity,
        "source": incident.source,
        "service": clip(incident.service, LABEL),
        "environment": clip(incident.environment, LABEL),
        "labels": labels,
        "count": incident.count,
        "fired_at": incident.fired_at,
        "trace_id": incident.trace_id,
        "url": incident.url,
        "links": [{"label": link.label, "url": link.url} for link in attempt.links],
    }
    data = {"action": action, "incident": told}
    return msgspec.json.encode({"type": "incident.recovery", "timestamp": attempt.at, "data": data})
