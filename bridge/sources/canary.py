"""The canary's own source: signed by the bridge, for the bridge. It is no kind to be configured: `canary` makes it."""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from bridge.domain.alert import Alert, Severity, Status, event_id
from bridge.domain.canary import NAME, fingerprint_of
from bridge.ports import Parsed, Request, Sample, Unparseable, Unverified
from bridge.selfreport import TAG
from bridge.settings import Options

SIGNATURE = "x-alert-bridge-signature"
WINDOW = timedelta(minutes=5)
"""An older request is a replay: a canary is sent at once or not at all."""
_RUN = re.compile(r"[0-9a-f]{16}")


class _Body(msgspec.Struct):
    run: str
    status: Status
    at: datetime


class Canary:
    """Proves and parses the bridge's own synthetic alert; nothing of its text comes from the request."""

    Options: ClassVar[type[Options]] = Options

    def __init__(self, key: bytes) -> None:
        self._key = key

    def needs_io(self, request: Request) -> bool:
        """Return False: the proof is in the request."""
        return False

    def verify(self, request: Request) -> None:
        """Return if the signature is HMAC-SHA256 of the raw body; raises Unverified."""
        given = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._signature(request.body)):
            raise Unverified(f"{SIGNATURE} does not match: receivers and workers need the same config (canary.secret)")

    def parse(self, request: Request) -> Parsed:
        """Return the one alert; raises Unparseable, and Unverified for what was sent long ago."""
        try:
            body = msgspec.json.decode(request.body, type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unparseable(f"not a canary: {error}") from error
        if not _RUN.fullmatch(body.run) or body.at.tzinfo is None:
            raise Unparseable("not a canary: its run or its time is wrong")
        if abs(request.received_at - body.at) > WINDOW:
            raise Unverified("an old canary: sent before, or the clocks of receiver and store differ by minutes")
        return [alert_of(body.run, body.status, body.at)]

    def sample(self, status: Status, now: datetime) -> Sample:
        """Return a signed canary of a made-up run."""
        return self.signed("0" * 16, status, now)

    def signed(self, run: str, status: Status, at: datetime) -> Sample:
        """Return the request that says something of a canary."""
        body = msgspec.json.encode(_Body(run, status, at))
        headers = {SIGNATURE: self._signature(body).decode(), "content-type": "application/json"}
        return Sample(headers=headers, body=body)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256").hex().encode()


def alert_of(run: str, status: Status, at: datetime) -> Alert:
    """Return the statement that a canary is under way, or over."""
    return Alert(
        source=NAME,
        fingerprint=fingerprint_of(run),
        event_id=event_id(NAME, run, status),
        status=status,
        severity=Severity.INFO,
        at=at,
        title="Canary of the alert bridge: nothing is wrong",
        summary="The bridge sends itself this test, to see that alerts arrive here. It takes it back at once.",
        service="alert-bridge",
        labels={TAG: "true"},
    )
