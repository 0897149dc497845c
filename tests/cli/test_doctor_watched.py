"""`doctor` on what the bridge watches: heartbeats, its canary, its outgoing heartbeat, as the store has them."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime, timedelta

import pytest
import redis

from bridge import wiring
from bridge.domain.canary import Flight
from bridge.domain.heartbeat import Plan, Record, beat, deadline
from bridge.domain.ping import Kind, Ping
from bridge.store.flights import Flights
from bridge.store.heartbeats import Heartbeats, Kept
from bridge.store.keyspace import Keyspace
from bridge.store.vitals import Vitals
from tests.cli.conftest import CONFIG, NOWHERE, Shell

URL = "http://127.0.0.1:1/ping/s3cret-key-of-the-other-side"
MORE = f"""
public_url: https://alerts.example.com
heartbeats:
  backup: {{key: backup-key-0123456789, period: 1h, grace: 10m}}
  report: {{key: report-key-0123456789, period: 1h, grace: 10m}}
  정산: {{key: settle-key-0123456789, period: 1h, grace: 10m}}
canary: {{to: [oncall]}}
self_watch: {{heartbeat_url: "{URL}"}}
"""


@pytest.fixture
def watched(shell: Shell, redis_client: redis.Redis) -> Shell:
    """A shell whose config has all of them; its worker has not run yet."""
    shell.config.write_text(CONFIG + MORE)
    return shell


def says(shell: Shell, part: str) -> list[str]:
    """Return what doctor says of a part, each with its level and what to do."""
    found = json.loads(shell.run("doctor", "-o", "json").stdout)
    return [
        f"{one['level']}: {one['what']}{' → ' * bool(one['do'])}{one['do']}" for one in found if one["part"] == part
    ]


def keep(client: redis.Redis, name: str, ago: timedelta | None, kind: Kind = Kind.SUCCESS) -> None:
    """Let the store hold a heartbeat whose last ping came so long ago."""
    now = datetime.now(UTC)
    plan = Plan(name=f"heartbeat:{name}", every=timedelta(hours=1), grace=timedelta(minutes=10))
    record = Record(since=now - timedelta(minutes=1))
    if ago is not None:
        record = beat(record, Ping(name=plan.name, kind=kind, at=now - ago), plan, now - ago).record
        record = Record(since=now - timedelta(days=1), ends=record.ends, trouble=record.trouble)
    assert Heartbeats(Keyspace(client)).save(Kept(plan, record, 0), deadline(record, plan))


def proven(client: redis.Redis, *, sent: timedelta | None = None, withheld: str = "") -> None:
    """Let a worker have seen an entry go through, just now; and what it knows of the outgoing heartbeat."""
    now = datetime.now(UTC)
    client.hset("{ab}:proof", "proven", round(now.timestamp() * 1000))  # type: ignore[arg-type]  # a number
    client.set("{ab}:swept", round(now.timestamp() * 1000))
    Vitals(Keyspace(client)).note_pulse(sent=None if sent is None else now - sent, withheld=withheld)


def flew(client: redis.Redis, ago: timedelta = timedelta(minutes=2), **more: object) -> None:
    """Let the last canary have arrived so long ago."""
    at = datetime.now(UTC) - ago
    fields: dict[str, object] = {"arrived": at, "took": timedelta(seconds=1.24), "over": True, **more}
    assert Flights(Keyspace(client)).swap(b"", Flight(run="0" * 16, began=at, **fields))  # type: ignore[arg-type]  # by name


def test_without_them_it_says_that_they_are_off(shell: Shell, redis_client: redis.Redis) -> None:
    assert says(shell, "heartbeats") == []
    assert says(shell, "canary")[0].startswith("ok: off: ")
    assert says(shell, "heartbeat_url")[0].startswith("ok: off: ")


def test_what_no_worker_watches_yet(watched: Shell) -> None:
    assert says(watched, "heartbeats") == [
        "warn: no worker watches backup, report, 정산 yet → start a worker with this config, or restart it"
    ]
    assert says(watched, "canary")[0].startswith("warn: on, every 5 min to oncall: none has been sent yet → start")
    (pulse,) = says(watched, "heartbeat_url")
    assert pulse.startswith("warn: withheld: nothing was seen to go through the inbox in the last minute; it never got")


def test_how_heartbeats_stand(watched: Shell, redis_client: redis.Redis) -> None:
    keep(redis_client, "backup", timedelta(minutes=65))
    keep(redis_client, "report", None)
    keep(redis_client, "정산", timedelta(minutes=1), Kind.FAIL)

    assert says(watched, "heartbeats") == [
        "warn: never heard: report → `alert-bridge heartbeats --show-keys` has the address that each has to ping",
        "ok: 3 of 3 watched: 1 new, 1 late (backup), 1 down (정산)",
    ]


@pytest.mark.parametrize(
    ("ago", "more", "said"),
    [
        (2, {}, r"ok: {on}: the last one arrived 2 min( \d+ s)? ago, after 1\.2 s"),
        (90, {}, r"fail: {on}: the last one arrived 1 h 30 min ago, after 1\.2 s → start a worker"),
        (2, {"late": {"oncall": "token_revoked"}}, "fail: {on}: the last one was lost: oncall: token_revoked"),
        (2, {"late": {"": "the receiver: it answered 404"}}, "fail: {on}: the last one was lost: the receiver: it an"),
        (0, {"arrived": None, "over": False}, "ok: {on}: the first one is under way"),
    ],
)
def test_how_the_last_canary_flew(
    watched: Shell, redis_client: redis.Redis, ago: int, more: dict[str, object], said: str
) -> None:
    flew(redis_client, timedelta(minutes=ago), **more)

    (found,) = says(watched, "canary")
    assert re.match(said.format(on="on, every 5 min to oncall"), found)


@pytest.mark.parametrize(
    ("sent", "withheld", "said"),
    [
        (1, "", "ok: sent; it got through last 1 min"),
        (
            9,
            "the other side: it answered 404",
            "fail: withheld: the other side: it answered 404; it got through last 9",
        ),
        (
            None,
            "the other side: no connection",
            "warn: withheld: the other side: no connection; it never got through",
        ),
        (9, "", "fail: withheld: no worker sends it; it got through last 9 min"),
    ],
)
def test_how_the_outgoing_heartbeat_stands(
    watched: Shell, redis_client: redis.Redis, sent: int | None, withheld: str, said: str
) -> None:
    flew(redis_client)
    proven(redis_client, sent=None if sent is None else timedelta(minutes=sent), withheld=withheld)

    (found,) = says(watched, "heartbeat_url")
    assert found.startswith(said)


def test_what_is_critical_withholds_it_and_is_named(watched: Shell, redis_client: redis.Redis) -> None:
    flew(redis_client)
    proven(redis_client, sent=timedelta(minutes=2))
    now = datetime.now(UTC).timestamp() * 1000
    redis_client.set("{ab}:probe:oncall", f"{now - 120_000:.0f}|token_revoked")
    redis_client.zadd("{ab}:due:oncall", {"some-1": now})

    (found,) = says(watched, "heartbeat_url")
    assert found.startswith("fail: withheld: critical: blocked:oncall; it got through last 2 min")


def test_it_calls_nobody_and_names_no_key(watched: Shell, redis_client: redis.Redis) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        watched.config.write_text(watched.config.read_text().replace(":1/ping/", f":{other.getsockname()[1]}/ping/"))
        shown = watched.run("doctor").output
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()

    assert "s3cret-key" not in shown
    assert "backup-key" not in shown


def test_a_silent_store_is_told_once(watched: Shell) -> None:
    shown = watched.run("doctor", REDIS_URL=NOWHERE)

    assert shown.exit_code == 3
    assert shown.stdout.count("does not answer") == 1
    assert "heartbeats" not in shown.stdout


def test_a_plan_of_the_config_counts_sources_that_have_to_speak(shell: Shell, redis_client: redis.Redis) -> None:
    shell.config.write_text(CONFIG.replace("kind: sentry,", "kind: sentry, expect_every: 2h,"))

    settings = wiring.load({k: v for k, v in shell.environ.items() if v is not None})
    assert len(wiring.plans(settings)) == 1
    assert says(shell, "heartbeats")[0].startswith("warn: no worker watches sentry yet")
