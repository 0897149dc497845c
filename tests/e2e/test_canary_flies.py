"""A canary through real processes: it arrives and is gone; without a receiver, Jira hears of it; a worker is missed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.store.flights import Flights, flight_of
from bridge.store.keyspace import Keyspace
from tests.conftest import free_port
from tests.e2e.bridge_processes import WORKER, Processes, until
from tests.sandbox_server import running

CONFIG = """
sources: {{sentry: {{kind: sentry, client_secret: s3cret}}}}
destinations:
  oncall: {{kind: slack, per_second: 0, token: {slack}, channel: C0ONCALL, api_url: "{url}/slack/api/"}}
  tickets: {{kind: jira, per_second: 0, url: "{url}/jira", user: bot@example.com, token: {jira}, project: OPS}}
canary: {{to: [oncall]}}
self_watch: {{worker_silent_for: 10s, heartbeat_url: "{other}/ping/k3y"}}
"""


beats: list[str] = []
"""What the other side of the outgoing heartbeat heard."""


async def heard(request: Request) -> Response:
    """Take a heartbeat."""
    beats.append(request.method)
    return Response()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[tuple[Processes, Sandbox, redis.Redis]]:
    port, receiver = free_port(), free_port()
    sandbox = Sandbox(base_url=f"http://127.0.0.1:{port}")
    with running(sandbox.app(), port) as url, running(Starlette(routes=[Route("/ping/k3y", heard)])) as other:
        config = CONFIG.format(slack=SLACK_TOKEN, jira=JIRA_TOKEN, url=url, other=other)
        bridge = Processes(tmp_path, config, {"PORT": str(receiver)}, port=receiver)
        try:
            bridge.start_store()
            bridge.start_receiver()
            bridge.start_worker()
            with redis.Redis.from_url(bridge.redis_url) as client:
                yield bridge, sandbox, client
        finally:
            bridge.stop()


def of_old(client: redis.Redis) -> None:
    """Have the canary that is known be five minutes older: it is lost by now, or the next one is due."""
    flights = Flights(Keyspace(client))
    _, flight, stored = flights.read()
    if flight is not None:
        flights.swap(stored, msgspec.structs.replace(flight, began=flight.began - timedelta(minutes=5)))


def test_it_arrives_and_is_taken_back_and_what_dies_is_missed(
    bridge: tuple[Processes, Sandbox, redis.Redis],
) -> None:
    made, sandbox, client = bridge

    def arrived() -> bool:
        flight = flight_of(client.get("{ab}:canary"))  # type: ignore[arg-type]  # not the async client
        return flight is not None and flight.arrived is not None

    def told(title: str) -> bool:
        client.delete("{ab}:looked")  # else it looks every ten seconds
        of_old(client)
        return any(title in str(issue.fields["summary"]) for issue in sandbox.jira.issues)

    until(arrived, "a canary arrives")
    until(lambda: not sandbox.slack.messages(), "it is taken back")
    assert not sandbox.jira.issues

    def beaten() -> bool:
        client.delete("{ab}:looked", "{ab}:proving")
        return bool(beats)

    until(beaten, "an entry went through the inbox, Celery and a worker, so the heartbeat is sent")

    made.start("second", [sys.executable, *WORKER])
    until(lambda: client.hlen("{ab}:workers") == 2, "two workers")
    made.kill("second")
    made.kill("receiver")
    until(lambda: told("canary did not get in"), "its loss is told")

    def withheld() -> bool:
        client.delete("{ab}:looked", "{ab}:proving")
        why = client.hget("{ab}:pulse", "withheld") or b""
        return bool(why.startswith((b"critical: canary", b"no canary has arrived")))

    until(withheld, "the heartbeat is withheld for it")
    until(lambda: told("lost a worker"), "the vanished worker is missed")

    made.kill("worker", signal.SIGTERM)
    until(lambda: client.hlen("{ab}:workers") == 1, "one that is stopped says goodbye")
