"""A receiver over real HTTP, on the tests' own store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import httpx
import pytest
import redis

from bridge import wiring
from bridge.domain.alert import Alert, Status
from bridge.ports import Sample, Source
from bridge.sandbox.sns import LocalSns
from bridge.sources.cloudwatch import CloudWatch
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Letter
from bridge.store.inbox import Inbox
from bridge.store.keyspace import Keyspace
from bridge.web import serve
from bridge.web.app import application
from bridge.web.protocol import Punctual
from tests.sandbox_server import running
from tests.sources.sns_world import KEY, TOPIC, World, local_sns

CONFIG = """
sources:
  sentry: {{kind: sentry, client_secret: sentry-secret}}
  alertmanager: {{kind: alertmanager, bearer_token: alertmanager-token}}
  cloudwatch: {{kind: cloudwatch, topic_arns: ["{topic}"], signing_hosts: ["{host}"]}}
destinations:
  oncall: {{kind: slack, token: xoxb-1, channel: C0ONCALL, api_url: "http://127.0.0.1:1/"}}
receiver: {{max_body: 64KiB}}
"""
MAX_BODY = 64 << 10


@dataclass
class Receiving:
    """A receiver that runs, and what it left in the store."""

    url: str
    sources: dict[str, Source]
    keyspace: Keyspace

    def sample(self, source: str, status: Status = Status.FIRING) -> Sample:
        """Return a proven request."""
        return self.sources[source].sample(status, datetime.now(UTC))

    def post(self, source: str, sample: Sample | None = None, **headers: str) -> httpx.Response:
        """Post a sample, by default a genuine one."""
        sample = sample or self.sample(source)
        return self.send(source, sample.body, {**sample.headers, **headers})

    def send(self, source: str, body: bytes | Iterator[bytes], headers: dict[str, str]) -> httpx.Response:
        """Post anything."""
        return httpx.post(f"{self.url}/hooks/{source}", content=body, headers=headers, timeout=20, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        """Get a page."""
        return httpx.get(f"{self.url}{path}", timeout=20, trust_env=False)

    def inbox(self) -> list[Alert]:
        """Take what lies in the inbox."""
        _, taken, _ = Inbox(self.keyspace).take(1000)
        return [alert for one in taken for alert in one.alerts]

    def dead_letters(self) -> list[Letter]:
        """Return what needs a person."""
        return DeadLetters(self.keyspace).all()


@pytest.fixture(scope="session")
def sns_server() -> Iterator[World]:
    """A local SNS."""
    with local_sns() as world:
        yield world


@pytest.fixture
def sns(sns_server: World) -> World:
    """The local SNS, as new."""
    return sns_server.fresh()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a busy machine time to answer, and to store; in time is tested where the store is in trouble."""
    monkeypatch.setattr("bridge.web.writer.ANSWER_WITHIN", 60)
    for module in ("inlet", "writer"):
        monkeypatch.setattr(f"bridge.web.{module}.STORE_WITHIN", 30)  # or the journal takes what waits


@pytest.fixture
def receive(
    tmp_path: Path, store: str, redis_client: redis.Redis, sns: World, unhurried: None
) -> Iterator[Callable[..., Receiving]]:
    """Starts a receiver with an empty inbox; keywords replace what it is made of."""
    config = tmp_path / "bridge.yaml"
    config.write_text(CONFIG.format(topic=TOPIC, host=sns.host))
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(config), "REDIS_URL": store, "ALERT_BRIDGE_DATA": str(tmp_path)})
    with ExitStack() as stack:

        def start(http: type[asyncio.Protocol] | Literal["auto"] = Punctual, **changes: object) -> Receiving:
            made = replace(serve.receiver(settings), **changes)  # type: ignore[arg-type]  # a test's own choice
            cloudwatch = made.sources["cloudwatch"]
            assert isinstance(cloudwatch, CloudWatch)
            cloudwatch.signer = LocalSns(sns.url, KEY).signer
            url = stack.enter_context(running(application(made), lifespan="on", http=http))
            return Receiving(url, made.sources, made.keyspace)

        yield start


@pytest.fixture
def receiver(receive: Callable[..., Receiving]) -> Receiving:
    """A receiver as configured."""
    return receive()
