"""Commands as an operator runs them, on a config against the sandbox and a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge.cli import main
from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.sandbox.sns import new_key
from tests.conftest import free_port
from tests.sandbox_server import running

CONFIG = """
timezone: Asia/Seoul
sources:
  sentry: {kind: sentry, client_secret: "${SENTRY_CLIENT_SECRET:-sentry-secret}"}
  alertmanager: {kind: alertmanager, bearer_token: alertmanager-token}
  cloudwatch:
    kind: cloudwatch
    topic_arns: ["arn:aws:sns:ap-northeast-2:123456789012:alarms"]
    signing_hosts: ["${SANDBOX_HOST}"]
destinations:
  oncall:
    kind: slack
    token: "${SLACK_BOT_TOKEN}"
    channel: "${SLACK_CHANNEL:-C0ONCALL}"
    api_url: "http://${SANDBOX_HOST}/slack/api/"
  tickets:
    kind: jira
    url: "http://${SANDBOX_HOST}/jira"
    user: bot@example.com
    token: "${JIRA_API_TOKEN}"
    project: OPS
"""
NOWHERE = "redis://127.0.0.1:1/0"
"""A store that does not answer."""


@cache
def sns_key() -> rsa.RSAPrivateKey:
    """Return the key with which the sandbox's SNS signs."""
    return new_key()


@dataclass
class Shell:
    """A shell with a config, in which commands are run."""

    folder: Path
    environ: dict[str, str | None]
    sandbox: Sandbox

    @property
    def config(self) -> Path:
        """The config's file."""
        return self.folder / "bridge.yaml"

    def run(self, *argv: str, **environ: str | None) -> Result:
        """Run a command to its end; None takes a variable out of the environment."""
        return CliRunner(env={**self.environ, **environ}).invoke(main, argv, catch_exceptions=False)


@pytest.fixture
def shell(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell in an empty directory; the sandbox is up, the store is the tests' own and may hold anything."""
    for name in ("HOST", "PORT", "SENTRY_DSN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bridge.logs.set_up", lambda *_: None)  # this process's log is that of all its tests
    (tmp_path / "bridge.yaml").write_text(CONFIG)
    port = free_port()
    sandbox = Sandbox(base_url=f"http://127.0.0.1:{port}", sns_key=sns_key())
    with running(sandbox.app(), port):
        environ: dict[str, str | None] = {
            "ALERT_BRIDGE_CONFIG": str(tmp_path / "bridge.yaml"),
            "ALERT_BRIDGE_DATA": None,
            "HOST": None,
            "PORT": str(free_port()),  # the usual one may be taken on this machine
            "REDIS_URL": store,
            "SANDBOX_HOST": f"127.0.0.1:{port}",
            "SLACK_BOT_TOKEN": SLACK_TOKEN,
            "JIRA_API_TOKEN": JIRA_TOKEN,
        }
        yield Shell(tmp_path, environ, sandbox)
