"""A worker that comes back after its lease sends nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from bridge.pipeline import fence
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.ports import Delivery, House, RetryAt, Sink
from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.jira import USER
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.settings import Secret
from bridge.sinks.jira import Jira, JiraOptions
from bridge.sinks.slack import Slack
from bridge.sinks.slack.options import SlackOptions
from bridge.store.keyspace import Keyspace
from tests.pipeline.quiet import incident_of, parts_with
from tests.sandbox_server import running
from tests.strategies import alert

SECOND = 1.0


@pytest.fixture
def sandbox() -> Iterator[tuple[Sandbox, dict[str, Sink]]]:
    site = Sandbox()
    with running(site.app()) as url:
        slack = SlackOptions(channel="C0ONCALL", token=Secret(SLACK_TOKEN), api_url=f"{url}/slack/api/")
        jira = JiraOptions(url=f"{url}/jira", user=USER, token=Secret(JIRA_TOKEN), project="OPS")
        house = House(timezone=UTC)
        yield site, {"slack": Slack("slack", slack, house), "jira": Jira("jira", jira, house)}


def asked(site: Sandbox) -> int:
    return len(site.slack.calls) + len(site.jira.calls)


@pytest.mark.parametrize("kind", ["slack", "jira"])
def test_within_the_lease_a_call_goes_out_and_after_it_none(
    sandbox: tuple[Sandbox, dict[str, Sink]], kind: str
) -> None:
    site, sinks = sandbox
    delivery = Delivery(incident=incident_of(alert()), receipt=None, now=datetime.now(UTC))
    with fence.fenced(fence.clock() - SECOND), pytest.raises(RetryAt, match="paused") as stopped:
        sinks[kind].sync(delivery)
    assert stopped.value.receipt is None
    assert not asked(site)

    with fence.fenced(fence.clock() + 20 * SECOND):
        assert sinks[kind].sync(delivery).handle
    assert asked(site)


def test_a_worker_whose_lease_is_over_before_it_begins_tells_nobody(
    redis_client: redis.Redis, sandbox: tuple[Sandbox, dict[str, Sink]]
) -> None:
    site, sinks = sandbox
    parts = parts_with(Keyspace(redis_client), sinks, lease=timedelta(microseconds=1))
    parts.inbox.put([alert()])
    ingest(parts)

    assert [deliver(parts, name) for name in sinks] == [1, 1]
    assert not asked(site)
    assert {name: parts.deliveries.due(name) for name in sinks} == {"slack": 1, "jira": 1}
