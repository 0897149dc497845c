"""Silence is one message and one issue, over when the heartbeat is back; and it is never the bridge's own doing."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import redis

from bridge.domain.heartbeat import Record, deadline
from bridge.domain.ping import Kind, Ping
from bridge.ports import Sample
from bridge.sandbox.slack_workspace import SlackMessage
from bridge.store.heartbeats import Heartbeats, Kept
from bridge.store.incidents import Incidents
from bridge.store.keyspace import Keyspace
from tests.e2e.bridge_processes import Processes, processes, until
from tests.e2e.conftest import BACKUP_KEY, World
from tests.e2e.test_one_problem import post, sample, shown

CONFIG = f"""
sources: {{sentry: {{kind: sentry, client_secret: s}}}}
destinations: {{oncall: {{kind: slack, token: xoxb-1, channel: C0ONCALL, api_url: "http://127.0.0.1:1/"}}}}
heartbeats: {{backup: {{key: {BACKUP_KEY}, period: 1h, grace: 10m}}}}
"""


def ping(bridge: Processes, what: str = "") -> int:
    return httpx.post(f"{bridge.url}/ping/{BACKUP_KEY}{what}", content="81 GiB", timeout=60).status_code


def keyspace(bridge: Processes) -> Keyspace:
    return Keyspace(redis.Redis.from_url(bridge.redis_url))


def kept(keys: Keyspace, name: str) -> Kept | None:
    return Heartbeats(keys).load([name]).get(name)


def last(keys: Keyspace, name: str) -> Ping | None:
    found = kept(keys, name)
    return found.record.last if found else None


def pass_time(keys: Keyspace, name: str, left: timedelta) -> None:
    """Let so much time pass that so much is left until it is missing; and somebody has been looking all the while."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    seen = {"looked": str(now), "resumed": str(now - 3_600_000), "stirred": "0"}
    keys.client.hset(keys.key("beat-watch"), mapping=seen)  # type: ignore[arg-type]  # its types are narrow
    found = kept(keys, name)
    assert found
    span = deadline(found.record, found.plan) - datetime.now(UTC) - left
    assert Heartbeats(keys).save(earlier(found, span), datetime.now(UTC) + left)


def earlier(found: Kept, span: timedelta) -> Kept:
    ends = tuple(msgspec.structs.replace(end, at=end.at - span) for end in found.record.ends)
    record: Record = msgspec.structs.replace(found.record, since=found.record.since - span, ends=ends)
    return msgspec.structs.replace(found, record=record)


def roots(world: World, title: str) -> list[SlackMessage]:
    return [message for message in world.sandbox.slack.messages() if title in shown(message)]


def watchdog(world: World) -> Sample:
    one = sample(world, "alertmanager")
    body = re.sub(rb'"fingerprint":"[^"]*"', b'"fingerprint":"00000000000000d0"', one.body)
    return Sample(headers=one.headers, body=body.replace(b"HighErrorRate", b"Watchdog"))


def test_a_job_that_stays_away_is_one_message_and_one_issue_until_it_is_back(world: World) -> None:
    keys, title = keyspace(world.bridge), "Heartbeat backup is down"
    assert ping(world.bridge) == 200
    until(lambda: last(keys, "heartbeat:backup") is not None, "the ping is known")
    pass_time(keys, "heartbeat:backup", timedelta())
    until(lambda: bool(roots(world, title)), "the message is there")
    assert "expected: every 1 h, 10 min of grace" in shown(roots(world, title)[0])
    assert "https://wiki.example.com/backup" in shown(roots(world, title)[0])

    assert ping(world.bridge, "/0") == 200
    until(lambda: "Resolved" in shown(roots(world, title)[0]), "the message says resolved")
    until(lambda: bool(roots(world, title)[0].replies), "the thread says so")
    (root,) = roots(world, title)
    assert "it is back; it had been missing for 10 min" in root.replies[0].text
    assert len([i for i in world.sandbox.jira.issues if title in i.fields["summary"]]) == 1


def test_when_alertmanagers_watchdog_stops_there_is_an_alert(world: World) -> None:
    keys, title = keyspace(world.bridge), "Heartbeat prometheus is down"
    assert post(world, "alertmanager", watchdog(world)).status_code == 202
    until(lambda: last(keys, "heartbeat:prometheus") is not None, "the watchdog is a ping")
    pass_time(keys, "heartbeat:prometheus", timedelta())
    until(lambda: bool(roots(world, title)), "its silence is told")

    assert post(world, "alertmanager", watchdog(world)).status_code == 202
    until(lambda: "Resolved" in shown(roots(world, title)[0]), "it is heard again")
    assert not [message for message in world.sandbox.slack.messages() if "Watchdog" in shown(message)]


def test_pings_that_came_while_the_store_was_dead_make_nothing_missing(tmp_path: Path) -> None:
    with processes(tmp_path, CONFIG, {}) as bridge:
        keys = keyspace(bridge)
        assert ping(bridge) == 200
        until(lambda: last(keys, "heartbeat:backup") is not None, "the ping is known")
        pass_time(keys, "heartbeat:backup", timedelta(seconds=3))
        missing_at = datetime.now(UTC) + timedelta(seconds=3)
        bridge.kill("store")
        assert ping(bridge, "/0") == 200, "the journal has it"
        bridge.kill("worker")
        until(lambda: datetime.now(UTC) > missing_at, "it would be missing by now")
        bridge.start_store()
        keys.client.set(keys.key("swept"), 1)
        keys.client.delete(keys.key("looked"))
        bridge.start_worker()
        until(lambda: getattr(last(keys, "heartbeat:backup"), "kind", None) is Kind.EXIT, "the journal was replayed")
        assert "heartbeat_down" not in bridge.log("worker")
        until(lambda: keys.client.exists(keys.key("looked")), "the bridge has looked at itself")
        bridge.kill("worker", signal.SIGTERM)
        assert list(Incidents(keys).each()) == [], "not even of a sweep that stood still"
