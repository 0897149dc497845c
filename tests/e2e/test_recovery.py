"""A recovery action with real processes: done once, told once, and not repeated when its worker is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bridge import wiring
from bridge.domain.alert import Status
from bridge.sandbox.app import Sandbox
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from tests.conftest import free_port
from tests.e2e.bridge_processes import Processes, processes, until
from tests.recovery.other_side import OtherSide, listening
from tests.sandbox_server import running

CONFIG = """
timing: {{lease: 5s}}
sources:
  alertmanager: {{kind: alertmanager, bearer_token: alertmanager-token}}
destinations:
  oncall: {{kind: slack, per_second: 0, token: {slack_token}, channel: C0ONCALL, api_url: "{url}/slack/api/"}}
recovery:
  restart:
    kind: webhook
    url: "{receiver}/restart"
    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
    dry_run: false
    after: 0s
    cool_down: 0s
routes:
  - {{match: ['alertname=~".+"'], to: [oncall], recover: [restart]}}
  - to: [oncall]
"""


@pytest.fixture
def receiver() -> Iterator[OtherSide]:
    with listening() as server:
        yield server


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def bridge(tmp_path: Path, sandbox: Sandbox, receiver: OtherSide) -> Iterator[Processes]:
    with running(sandbox.app(), free_port()) as url:
        text = CONFIG.format(url=url, slack_token=SLACK_TOKEN, receiver=receiver.url)
        with processes(tmp_path, text, {}) as made:
            yield made


def fire(bridge: Processes) -> None:
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(bridge.folder / "bridge.yaml")})
    sample = wiring.sources(settings)["alertmanager"].sample(Status.FIRING, datetime.now(UTC))

    def accepted() -> bool:  # senders come again after a 503, which a busy machine may cost
        url = f"{bridge.url}/hooks/alertmanager"
        return httpx.post(url, headers=sample.headers, content=sample.body, timeout=60).status_code == 202

    until(accepted, "it is accepted")


def thread(sandbox: Sandbox) -> list[str]:
    return [reply.text for root in sandbox.slack.messages() for reply in root.replies]


def test_one_firing_is_one_action_and_one_entry_in_the_thread(
    bridge: Processes, sandbox: Sandbox, receiver: OtherSide
) -> None:
    fire(bridge)
    until(lambda: bool(thread(sandbox)), "the thread tells of it")
    fire(bridge)
    until(lambda: bridge.log("worker").count("ingested") >= 3, "the opening, the note and the repetition were read")

    (asked,) = receiver.asked
    (said,) = thread(sandbox)
    assert json.loads(asked.body)["data"]["action"] == "restart"
    assert "Recovery restart: called the webhook at 127.0.0.1" in said
    assert "which answered 200" in said


def test_a_worker_that_is_killed_in_the_middle_is_told_of_and_nothing_is_repeated(
    bridge: Processes, sandbox: Sandbox, receiver: OtherSide
) -> None:
    receiver.silent.set()
    fire(bridge)
    until(lambda: bool(receiver.asked), "the receiver is asked")
    bridge.kill("worker")
    receiver.silent.clear()
    bridge.start_worker()
    until(lambda: bool(thread(sandbox)), "the thread tells of it")

    (said,) = thread(sandbox)
    assert "Recovery restart: outcome unknown: its worker is gone; not tried again" in said
    assert len(receiver.asked) == 1
