"""`send-test` to a receiver that runs as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from tests.cli.conftest import Shell, sns_key
from tests.conftest import free_port
from tests.e2e.bridge_processes import PATIENT, until

PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture
def receiver(shell: Shell) -> Iterator[str]:
    """The address of a running `alert-bridge serve`, whose PORT the shell has."""
    shell.environ["PORT"] = str(free_port())
    environ = {k: v for k, v in shell.environ.items() if v is not None} | {"PATIENCE": "30"}
    url = f"http://127.0.0.1:{environ['PORT']}"
    with (shell.folder / "receiver.log").open("w") as log:
        process = subprocess.Popen([sys.executable, PATIENT, "serve"], env=environ, stdout=log, stderr=log)
    try:
        until(lambda: ready(url), "the receiver is ready")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) in (0, -signal.SIGTERM)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_sample_of_each_source_is_accepted(shell: Shell, receiver: str) -> None:
    folder = shell.folder / "data" / "sandbox"
    folder.mkdir(parents=True)
    (folder / "sns-key.pem").write_bytes(sns_key().private_bytes(*PEM))

    for source in ("sentry", "alertmanager", "cloudwatch"):
        result = shell.run("send-test", source)
        assert (result.stdout, result.exit_code) == ('202 {"accepted": 1}\n', 0), result.output
        assert result.stderr == f"POST {receiver}/hooks/{source}\n"


def test_several_are_sent_when_asked_for(shell: Shell, receiver: str) -> None:
    result = shell.run("send-test", "alertmanager", "--times", "3", "--resolved")

    assert result.stdout == '202 {"accepted": 1}\n' * 3


def test_another_secret_than_the_bridges_ends_with_1_and_says_so(shell: Shell, receiver: str) -> None:
    result = shell.run("send-test", "sentry", SENTRY_CLIENT_SECRET="another-secret")

    assert result.exit_code == 1
    assert result.stdout.startswith("401 ")
    assert "it runs with another secret than this config has" in result.stderr
    assert "another-secret" not in result.output


def test_a_bridge_that_does_not_know_the_source_ends_with_1(shell: Shell, receiver: str) -> None:
    shell.config.write_text(shell.config.read_text().replace("alertmanager: {kind", "metrics: {kind"))
    result = shell.run("send-test", "metrics")

    assert result.exit_code == 1
    assert "it runs with another config" in result.stderr


def test_a_bridge_that_is_not_there_ends_with_3(shell: Shell) -> None:
    result = shell.run("send-test", "sentry", "--url", "http://127.0.0.1:1/")

    assert result.exit_code == 3
    assert "http://127.0.0.1:1/hooks/sentry can't be reached" in result.stderr
    assert "Is --url right?" in result.stderr


def test_a_source_that_is_not_in_the_config_is_wrong_usage(shell: Shell) -> None:
    result = shell.run("send-test", "pagerduty")

    assert result.exit_code == 2
    assert 'there is no source "pagerduty" in the config; it has sentry, alertmanager, cloudwatch' in result.stderr


@pytest.mark.parametrize("url", ["alerts.example.com", "ftp://alerts.example.com", ""])
def test_what_is_no_address_of_a_bridge_is_wrong_usage(shell: Shell, url: str) -> None:
    result = shell.run("send-test", "sentry", "--url", url)

    assert result.exit_code == 2
    assert "is no address of a bridge: write https://" in result.stderr


def test_what_only_aws_can_sign_is_said(shell: Shell) -> None:
    result = shell.run("send-test", "cloudwatch")

    assert result.exit_code == 1
    assert "AWS" in result.stderr
