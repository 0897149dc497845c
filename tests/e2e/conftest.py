"""A running bridge and its sandbox, shared by the end-to-end tests; each uses problems of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bridge import wiring
from bridge.ports import Source
from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.sources.cloudwatch import CloudWatch
from tests.conftest import free_port
from tests.e2e.bridge_processes import Processes, processes
from tests.sandbox_server import running

CONFIG = """
timezone: Asia/Seoul
incidents: {{repeat_every: 300ms}}
sources:
  sentry: {{kind: sentry, client_secret: sentry-secret}}
  alertmanager: {{kind: alertmanager, bearer_token: alertmanager-token}}
  cloudwatch:
    kind: cloudwatch
    topic_arns: ["arn:aws:sns:ap-northeast-2:123456789012:alarms"]
    signing_hosts: ["{host}"]
destinations:
  oncall: {{kind: slack, per_second: 0, token: {slack_token}, channel: C0ONCALL, api_url: "{url}/slack/api/"}}
  tickets: {{kind: jira, per_second: 0, url: "{url}/jira", user: bot@example.com, token: {jira_token}, project: OPS}}
routes:
  - match: ['severity=~"critical|error"']
    to: [oncall, tickets]
  - to: [oncall]
heartbeats:
  backup: {{key: {backup_key}, period: 1h, grace: 10m, runbook: "https://wiki.example.com/backup"}}
  prometheus: {{alert: {{source: alertmanager, match: ['alertname="Watchdog"']}}, period: 5m, severity: critical}}
links:
  - {{label: Trace, kind: jaeger, url: "https://jaeger.example.com"}}
  - {{label: Logs, kind: loki, url: "https://grafana.example.com", datasource: P8E80F9AEF21F6940}}
"""
BACKUP_KEY = "e2e-key-of-the-backup"


@dataclass
class World:
    """A bridge of real processes, and the sandbox it tells."""

    bridge: Processes
    sandbox: Sandbox
    sources: dict[str, Source]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bridge with all three sources, Slack and Jira."""
    folder = tmp_path_factory.mktemp("bridge")
    port = free_port()
    host = f"127.0.0.1:{port}"
    sandbox = Sandbox(base_url=f"http://{host}")
    with running(sandbox.app(), port) as url:
        text = CONFIG.format(url=url, host=host, slack_token=SLACK_TOKEN, jira_token=JIRA_TOKEN, backup_key=BACKUP_KEY)
        with processes(folder, text, {}) as bridge:
            settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(folder / "bridge.yaml")})
            sources = wiring.sources(settings)
            assert isinstance(sources["cloudwatch"], CloudWatch)
            sources["cloudwatch"].signer = sandbox.sns.signer
            yield World(bridge, sandbox, sources)
