"""What the receiver may be made to fetch: SNS' own certificate and confirmation, and nothing else."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from bridge.sandbox.sns import new_key
from bridge.sources import sns as words
from bridge.sources.sns_fetch import Certificates, CertificateUnavailable, Hosts, confirm
from tests.conftest import free_port
from tests.security.conftest import Front
from tests.sources.sns_world import TOPIC, World

PEM = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
AWS = "sns.eu-central-1.amazonaws.com"
ELSEWHERE = [
    "https://[::1]",
    "https://[::ffff:169.254.169.254]",
    "https://[64:ff9b::a9fe:a9fe]",
    "https://[2002:a9fe:a9fe::]",
    "https://[fd00:ec2::254]",
    "https://127.0.0.1",
    "https://127.1",
    "https://0x7f.1",
    "https://2130706433",
    "https://017700000001",
    "https://100.64.0.1",
    f"https://{AWS}@127.0.0.1",
    f"https://127.0.0.1#{AWS}",
    f"https://127.0.0.1?{AWS}",
    f"https://127.0.0.1\\@{AWS}",
    f"https://{AWS}:22",
    f"https://{AWS}.nip.io",
    "gopher://127.0.0.1:6379",
    f"http://{AWS}",
]


@pytest.mark.parametrize("host", ELSEWHERE)
def test_no_other_host_is_asked_for_a_certificate_or_told_a_confirmation(host: str) -> None:
    query = f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
    for hosts in (Hosts(), Hosts(["localhost:4566"])):
        assert not hosts.may_sign(host + PEM, "eu-central-1")
        assert not hosts.may_confirm(host + query, "eu-central-1", TOPIC, "abc")


def test_a_strangers_message_causes_no_connection(front: Front, sns: World) -> None:
    forged = words.notification(TOPIC, "x", "{}", datetime.now(UTC))
    for host in ELSEWHERE:
        claims = {"signing_cert_url": host + PEM, "token": "abc", "subscribe_url": f"{host}/?x", "signature": "AAAA"}
        for kind in (words.NOTIFICATION, words.CONFIRMATION):
            changed = msgspec.structs.replace(forged, type=kind, **claims)
            answer = front.client.post("/hooks/cloudwatch", content=msgspec.json.encode(changed))
            assert answer.status_code == 401, host
    assert sns.asked == []


def test_a_name_that_is_made_to_lead_elsewhere_is_found_out_by_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name is AWS's own, so whoever answers must show AWS's own certificate."""
    with impostor(tmp_path) as port:
        resolve = socket.getaddrinfo

        def to_the_impostor(host: str, given: Any, *args: Any, **more: Any) -> Any:
            return resolve("127.0.0.1", port, *args, **more) if host == AWS else resolve(host, given, *args, **more)

        monkeypatch.setattr("socket.getaddrinfo", to_the_impostor)
        with pytest.raises(CertificateUnavailable, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
            Certificates().get(f"https://{AWS}{PEM}")
        with pytest.raises(OSError, match="did not answer the confirmation"):
            confirm(f"https://{AWS}/?Action=ConfirmSubscription")


@contextmanager
def impostor(folder: Path) -> Iterator[int]:
    """A TLS server with a certificate for AWS's name that nobody vouches for; it would sign with our key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AWS)])
    now, own = datetime.now(UTC), new_key()
    certificate = (
        x509.CertificateBuilder(name, name, own.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(AWS)]), critical=False)
        .sign(own, hashes.SHA256())
    )
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "impostor.pem").write_bytes(key + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "impostor.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, context), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer every TLS connection with a certificate to sign with, until the listener is closed."""
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with plain:
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            except OSError:
                continue


def test_a_confirmation_that_nobody_answers_is_an_error_that_is_tried_again() -> None:
    """Any other error would be a 500, after which SNS soon gives up and the topic stays silent."""
    with pytest.raises(OSError, match="did not answer the confirmation"):
        confirm(f"http://127.0.0.1:{free_port()}/?Action=ConfirmSubscription")
