"""`heartbeats`: what has to be heard from, and how it is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import redis

from bridge.domain.heartbeat import Plan, Record, beat, deadline
from bridge.domain.ping import Kind, Ping
from bridge.settings.options import parse_duration
from bridge.store.heartbeats import Heartbeats, Kept
from bridge.store.keyspace import Keyspace
from tests.cli.conftest import CONFIG, Shell

KEY = "canary-key-0123456789"
HEARTBEATS = f"""
public_url: https://alerts.example.com
heartbeats:
  nightly-backup: {{key: {KEY}, cron: "30 3 * * *", grace: 1h}}
  watchdog: {{alert: {{source: alertmanager, match: ['alertname="Watchdog"']}}, period: 5m}}
"""


@pytest.fixture
def watched(shell: Shell) -> Shell:
    """A shell whose config has heartbeats."""
    config = Path(str(shell.environ["ALERT_BRIDGE_CONFIG"]))
    config.write_text(CONFIG.replace("kind: sentry,", "kind: sentry, expect_every: 2h,") + HEARTBEATS)
    return shell


def keep(client: redis.Redis, name: str, *pings: Ping, every: str = "1h") -> None:
    """Let the store hold a heartbeat with these pings."""
    span = parse_duration(every)
    assert isinstance(span, timedelta)
    plan = Plan(name=name, every=span)
    record = Record(since=datetime.now(UTC) - timedelta(days=1))
    for ping in pings:
        record = beat(record, ping, plan, ping.at).record
    when = None if record.trouble else deadline(record, plan)
    assert Heartbeats(Keyspace(client)).save(Kept(plan, record, 0), when)


def ping(name: str, seconds: float, kind: Kind = Kind.SUCCESS, body: str = "", status: int | None = None) -> Ping:
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    return Ping(name=name, kind=kind, at=at, body=body, exit_status=status)


def test_the_list_says_how_each_is_and_hides_the_keys(watched: Shell, redis_client: redis.Redis) -> None:
    keep(redis_client, "heartbeat:nightly-backup", ping("heartbeat:nightly-backup", 60, Kind.EXIT, status=0))
    keep(redis_client, "heartbeat:watchdog", ping("heartbeat:watchdog", 30, Kind.FAIL))
    result = watched.run("heartbeats")
    head, backup, watchdog, source = result.stdout.splitlines()

    assert head.split("  ")[0] == "kind"
    assert "up" in backup
    assert "30 3 * * * (Asia/Seoul), 1 h of grace" in backup
    assert "exit status 0" in backup
    assert "https://alerts.example.com/ping/•••" in backup
    assert "down" in watchdog
    assert 'alertmanager {alertname="Watchdog"}' in watchdog
    assert source.startswith("source     sentry")
    assert KEY not in result.output
    assert "is watched by no worker yet" in result.stderr
    assert f"/ping/{KEY}" in watched.run("heartbeats", "--show-keys").stdout


def test_the_same_for_programs(watched: Shell, redis_client: redis.Redis) -> None:
    keep(redis_client, "heartbeat:nightly-backup", ping("heartbeat:nightly-backup", 60), every="30s")
    first, *_ = json.loads(watched.run("heartbeats", "-o", "json").stdout)
    assert (first["name"], first["state"], first["said"]) == ("nightly-backup", "late", "success")
    assert datetime.fromisoformat(first["last_ping"]).utcoffset() == timedelta(hours=9)


def test_what_is_past_its_time_after_an_absence_of_the_bridge_is_held_until_a_time(
    watched: Shell, redis_client: redis.Redis
) -> None:
    name = "heartbeat:nightly-backup"
    keep(redis_client, name, ping(name, 60), every="30s")
    back = datetime.now(UTC) - timedelta(seconds=20)
    redis_client.hset("{ab}:beat-watch", "since", str(round(back.timestamp() * 1000)))
    first, *_ = json.loads(watched.run("heartbeats", "-o", "json").stdout)
    assert first["state"] == "held"
    assert datetime.fromisoformat(first["down_at"]) > datetime.now(UTC), "no time that is over"
    local = back.astimezone(ZoneInfo("Asia/Seoul"))
    assert f"the bridge was away until {local:%H:%M:%S}. Its ping may have" in watched.run("heartbeats").stderr


def test_one_is_shown_with_its_newest_pings(watched: Shell, redis_client: redis.Redis) -> None:
    name = "heartbeat:nightly-backup"
    pings = [ping(name, 100, Kind.START), ping(name, 40, body="81 GiB\nin 1 min"), ping(name, 20, Kind.LOG, "so so")]
    keep(redis_client, name, *pings)
    result = watched.run("heartbeats", "nightly-backup")
    _, *rows = result.stdout.splitlines()
    assert [row.split("  ")[1] for row in rows] == ["log", "success", "start"]
    assert "81 GiB in 1 min" in result.stdout
    assert re.fullmatch(r"The last run took 1 min( \d+ s)?\.\n", result.stderr)
    told = json.loads(watched.run("heartbeats", "nightly-backup", "-o", "json").stdout)
    assert told[1]["body"] == "81 GiB\nin 1 min"


def test_a_name_that_is_not_configured_is_said_so(watched: Shell, redis_client: redis.Redis) -> None:
    result = watched.run("heartbeats", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'there is no heartbeat "nobody" in the config' in result.stderr
    assert 'Did you mean "nightly-backup"?' in watched.run("heartbeats", "nightly-bakup").stderr


def test_none_at_all_is_said_on_stderr(shell: Shell, redis_client: redis.Redis) -> None:
    result = shell.run("heartbeats")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert result.stderr.startswith("No heartbeats: add some")


def test_a_store_that_does_not_answer_is_exit_code_3(watched: Shell) -> None:
    watched.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert watched.run("heartbeats").exit_code == 3


def test_check_config_counts_them(watched: Shell) -> None:
    assert "2 heartbeats" in watched.run("check-config").stdout
