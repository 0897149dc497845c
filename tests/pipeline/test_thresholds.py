"""When a destination is first told, through the real store, sink and sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.routing import Route, Routes, Threshold
from bridge.enrich.links import Links
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.ports import House
from bridge.sandbox.slack import TOKEN, SlackSandbox
from bridge.settings import Secret
from bridge.sinks.slack import Slack
from bridge.sinks.slack.options import SlackOptions
from bridge.store.deliveries import Deliveries
from bridge.store.inbox import Inbox
from bridge.store.incidents import Incidents
from bridge.store.keyspace import Keyspace
from tests.sandbox_server import running
from tests.strategies import alert

MINUTE = timedelta(minutes=1)


class Quiet:
    """A bell nobody hears: the tests look themselves."""

    def ingest(self) -> None: ...

    def deliver(self, destination: str) -> None: ...


class Desk:
    """One destination with a threshold, and what it was told."""

    def __init__(self, client: redis.Redis, url: str, sandbox: SlackSandbox, threshold: Threshold) -> None:
        keys = Keyspace(client)
        options = SlackOptions(channel="C0ONCALL", token=Secret(TOKEN), api_url=f"{url}/slack/api/")
        self.sandbox = sandbox
        self.parts = Parts(
            inbox=Inbox(keys),
            incidents=Incidents(keys),
            deliveries=Deliveries(keys),
            bell=Quiet(),
            sinks={"oncall": Slack("oncall", options, House(timezone=UTC))},
            routes=Routes([Route((), ("oncall",), continue_=False)]),
            thresholds={"oncall": threshold},
            links=Links([], MINUTE, MINUTE),
        )

    def hear(self, *alerts: Alert) -> None:
        """Take alerts all the way, as far as they go now."""
        self.parts.inbox.put(list(alerts))
        ingest(self.parts)
        deliver(self.parts, "oncall")

    def told(self) -> int:
        return len(self.sandbox.messages())


@pytest.fixture
def sandbox() -> Iterator[tuple[SlackSandbox, str]]:
    slack = SlackSandbox()
    from starlette.applications import Starlette

    with running(Starlette(routes=slack.routes())) as url:
        yield slack, url


def desk(redis_client: redis.Redis, sandbox: tuple[SlackSandbox, str], **threshold: object) -> Desk:
    return Desk(redis_client, sandbox[1], sandbox[0], Threshold(**threshold))  # type: ignore[arg-type]  # by name


def now(**more: object) -> Alert:
    """Return a firing statement of this moment."""
    at = datetime.now(UTC)
    return alert(0, event=str(at), **{"at": at, **more})  # type: ignore[arg-type]  # fields by name


def test_a_severity_below_the_threshold_is_told_once_it_worsens(
    redis_client: redis.Redis, sandbox: tuple[SlackSandbox, str]
) -> None:
    oncall = desk(redis_client, sandbox, min_severity=Severity.ERROR)
    oncall.hear(now(severity=Severity.WARNING))
    assert oncall.told() == 0

    oncall.hear(now(severity=Severity.CRITICAL))
    assert oncall.told() == 1


def test_a_count_below_the_threshold_is_told_at_the_repeat_that_reaches_it(
    redis_client: redis.Redis, sandbox: tuple[SlackSandbox, str]
) -> None:
    oncall = desk(redis_client, sandbox, min_count=3)
    oncall.hear(now())
    oncall.hear(now())
    assert oncall.told() == 0

    oncall.hear(now())
    assert oncall.told() == 1


def test_a_short_firing_is_never_told_where_it_must_last(
    redis_client: redis.Redis, sandbox: tuple[SlackSandbox, str]
) -> None:
    oncall = desk(redis_client, sandbox, for_=5 * MINUTE)
    oncall.hear(now())
    oncall.hear(now(status=Status.RESOLVED))
    assert oncall.told() == 0
    assert oncall.parts.deliveries.due("oncall") == 1

    redis_client.zadd("{ab}:due:oncall", {f"{'f' * 24}-1": 0})
    deliver(oncall.parts, "oncall")
    assert oncall.told() == 0
    assert oncall.parts.deliveries.due("oncall") == 0


def test_what_fires_long_enough_is_told_when_its_time_has_come(
    redis_client: redis.Redis, sandbox: tuple[SlackSandbox, str]
) -> None:
    oncall = desk(redis_client, sandbox, for_=5 * MINUTE)
    oncall.hear(now(at=datetime.now(UTC) - 4 * MINUTE))
    assert oncall.told() == 0

    oncall.hear(now(at=datetime.now(UTC) - 6 * MINUTE))
    assert oncall.told() == 1


def test_once_told_it_stays_told_below_the_threshold(
    redis_client: redis.Redis, sandbox: tuple[SlackSandbox, str]
) -> None:
    oncall = desk(redis_client, sandbox, min_severity=Severity.ERROR)
    oncall.hear(now())
    oncall.hear(now(severity=Severity.INFO))
    oncall.hear(now(status=Status.RESOLVED))

    (root,) = oncall.sandbox.messages()
    assert len(root.replies) == 2
