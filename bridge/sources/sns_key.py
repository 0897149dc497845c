"""Keys, certificates and signatures of SNS.

Of the sources only this module loads `cryptography`, 9 MB, and only where SNS speaks to the bridge.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from bridge.ports import Unverified

_HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}


class Certificate(NamedTuple):
    """A signing certificate, as far as it is needed."""

    key: RSAPublicKey
    not_before: datetime
    not_after: datetime


def read_certificate(pem: bytes) -> Certificate:
    """Return what a PEM certificate says; raises Unverified when it is none or its key isn't RSA."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unverified("what stands at SigningCertURL is no certificate") from error
    if not isinstance(key, RSAPublicKey):
        raise Unverified("the certificate's key is not RSA")
    return Certificate(key, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def check(key: RSAPublicKey, given: str, text: bytes, version: str) -> None:
    """Return if a signature, in base64, is the key's of that text; raises Unverified. RSA PKCS#1 v1.5."""
    try:
        signature = base64.b64decode(given, validate=True)
        key.verify(signature, text, PKCS1v15(), _HASHES[version]())
    except (InvalidSignature, ValueError) as error:
        raise Unverified("the signature does not hold") from error
    except UnsupportedAlgorithm as error:
        raise Unverified("this host forbids SHA-1: set the topic's SignatureVersion to 2") from error


def sign(key: RSAPrivateKey, text: bytes, version: str) -> str:
    """Return the key's signature of a text, in base64."""
    return base64.b64encode(key.sign(text, PKCS1v15(), _HASHES[version]())).decode()
