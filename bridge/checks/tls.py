"""TLS: a certificate that has to be trusted, for this host, and valid long enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Self

from pydantic import Field, model_validator

from bridge.checks.certificate import expiring
from bridge.checks.line import Place, Secured, connected, host_and_port
from bridge.checks.looking import Glance, Notes, in_words, looked, since, within
from bridge.checks.target import Host, Port, Positive, Roots, TargetOptions, check_place
from bridge.domain.observation import Observation
from bridge.domain.words import duration
from bridge.settings import Options


class TlsOptions(TargetOptions):
    """What an operator sets for a check of this kind."""

    host: Host = Field(examples=["shop.example.com"])
    """A name or an address."""
    port: Port = 443
    """Where TLS is spoken from the first byte on (no STARTTLS)."""
    server_name: Host | None = None
    """The name that is asked for and has to be in the certificate, where it is not the host."""
    expires_within: Positive | None = None
    """A certificate that is valid for less than this is a fault."""
    verify_tls: bool = True
    """Whether the certificate has to be trusted and to be for this host."""
    ca: Roots = None
    """Certificates in PEM, trusted instead of the system's."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        check_place(self.host, allow_private=self.allow_private)
        return self


class Tls:
    """A port that has to show a good certificate."""

    Options: ClassVar[type[Options]] = TlsOptions

    def __init__(self, name: str, options: TlsOptions, timeout: timedelta) -> None:
        self._place = Place(options.host, options.port, options.allow_private, options.ip_version)
        ca = options.ca.get_secret_value() if options.ca else ""
        self._secured = Secured(ca, options.verify_tls, options.server_name or "")
        self._within = options.expires_within
        self.target = host_and_port(options.host, options.port)
        trusted = "a trusted certificate" if options.verify_tls else "a certificate"
        lasting = f"valid for {duration(self._within)}" if self._within else ""
        self._glance = Glance(timeout, in_words(trusted, lasting, within(options.slower_than)), options.slower_than)

    async def look(self, now: datetime, trace_id: str) -> Observation:
        """Return what the certificate says; a handshake can't carry the trace id."""
        return await looked(self._glance, now, partial(self._look, now))

    async def _look(self, now: datetime, notes: Notes) -> str:
        async with connected(self._place, notes, self._secured) as line:
            got = f"{line.protocol} after {since(notes.began)}"
            notes.facts["Protocol"] = line.protocol
            shown = line.certificate
        if shown is None:
            return got
        notes.facts |= {"Certificate": shown.until(now), "Subject": shown.subject, "Issuer": shown.issuer}
        expiring(shown, self._within, now)
        return f"{got}, {shown.until(now)}"
