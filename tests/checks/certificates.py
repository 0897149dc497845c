"""Certificates made on the spot."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@cache
def key(which: str) -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def made(host: str, begins: datetime, ends: datetime, *, by: str = "Test CA") -> x509.Certificate:
    """Return a certificate for a host; signed by itself when `by` is the host."""
    is_ca = host == by
    try:
        san: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        san = x509.DNSName(host.replace(" ", "-").lower())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(host))
        .issuer_name(name(by))
        .public_key(key(host).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([san]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key(host).public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key(by).public_key()),
            critical=False,
        )
    )
    if is_ca:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(key(by), hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def authority(now: datetime | None = None) -> x509.Certificate:
    now = now or datetime.now(UTC)
    return made("Test CA", now - 400 * DAY, now + 4000 * DAY, by="Test CA")


def serving(certificate: x509.Certificate, host: str, folder: Path) -> ssl.SSLContext:
    """Return what a server needs to show that certificate."""
    secret = key(host).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
