"""Certificates of targets: what they say, until when, and in words why one is not trusted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import certifi

from bridge.checks.looking import Wrong, plain
from bridge.domain.observation import Fault
from bridge.domain.words import duration

if TYPE_CHECKING:
    from cryptography import x509

_REASONS = {
    10: "the certificate has expired{on}",
    9: "the certificate is not valid yet{since}",
    18: "the certificate is self-signed and not trusted here (set ca_file, or verify_tls: false)",
    19: "the certificate's chain ends in a root that is not trusted here (set ca_file)",
    20: "the certificate's issuer {issuer}is not known here (an intermediate is not sent, or set ca_file)",
    21: "the certificate can't be followed to a trusted root (an intermediate is not sent, or set ca_file)",
    62: "the certificate is for {names}, not for {host}",
    64: "the certificate is for {names}, not for {host}",
}
"""OpenSSL's X509_V_ERR_*: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/"""


@dataclass(frozen=True)
class Certificate:
    """What a certificate says, as far as people want to read it."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime

    def until(self, now: datetime) -> str:
        """Return until when it is valid: "valid until 2026-12-01 12:00 UTC (9 d left)"."""
        left = self.ends - now
        said = f"{duration(left)} left" if left > timedelta() else f"for {duration(-left)} no more"
        return f"valid until {moment(self.ends)} ({said})"


def moment(time: datetime) -> str:
    """Return a time in UTC to the minute."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def read_certificate(der: bytes) -> Certificate | None:
    """Return what a certificate says, None where it can't be read."""
    from cryptography import x509  # here, not above: 9 MB, and receivers only read the options of checks

    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=_name(found.subject),
            issuer=_name(found.issuer),
            names=_names(found),
            begins=found.not_valid_before_utc,
            ends=found.not_valid_after_utc,
        )
    except (ValueError, x509.UnsupportedGeneralNameType):
        return None


def _name(name: x509.Name) -> str:
    """Return the most telling part of a name."""
    from cryptography import x509

    for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATIONAL_UNIT_NAME, x509.NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(oid):
            return plain(str(found[0].value), 100)
    return ""


def _names(found: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        san = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    names = [*san.get_values_for_type(x509.DNSName), *map(str, san.get_values_for_type(x509.IPAddress))]
    return tuple(plain(name, 100) for name in names)


def expiring(certificate: Certificate | None, within: timedelta | None, now: datetime) -> None:
    """Return if a certificate is valid for longer than `within`; raises Wrong with CERTIFICATE."""
    if certificate is not None and within is not None and certificate.ends - now < within:
        raise Wrong(Fault.CERTIFICATE, f"the certificate is {certificate.until(now)}")


def distrust(error: ssl.SSLCertVerificationError, shown: Certificate | None, host: str) -> str:
    """Return in words why a certificate was not trusted; `shown` is the one that came, if it is known."""
    form = _REASONS.get(error.verify_code)
    if form is None:
        return f"the certificate is not trusted: {plain(error.verify_message)}"
    names = (shown.names or (shown.subject,))[:3] if shown else ()
    return form.format(
        on=f" on {moment(shown.ends)}" if shown else "",
        since=f", but from {moment(shown.begins)}" if shown else "",
        issuer=f"{shown.issuer} " if shown else "",
        names=", ".join(filter(None, names)) or "another name",
        host=host,
    )


@lru_cache(maxsize=64)
def trust(ca: str, *, verify: bool) -> ssl.SSLContext:
    """Return the context of all looks with these roots: made once, for it costs more than a look.

    `ca` in PEM is trusted instead of the system's roots; raises ValueError where it holds no certificate.
    """
    try:
        context = ssl.create_default_context(cadata=ca or None)
    except ssl.SSLError as error:
        raise ValueError("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)") from error
    if not ca:
        context.load_verify_locations(certifi.where())  # beside the system's: a slim image has none
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
