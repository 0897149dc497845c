"""alert-bridge checks: how the targets are, and what a look sees now."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import redis

from bridge.domain.checkup import Record
from bridge.domain.observation import Fault, Observation
from bridge.store.checks import Checks, Settled, Timetable
from bridge.store.keyspace import Keyspace
from tests.cli.conftest import NOWHERE, Shell

AT = datetime(2026, 7, 1, tzinfo=UTC)


class Shop(BaseHTTPRequestHandler):
    """A target: 200 at /up, and else 503 with a secret in its body."""

    seen: list[str] = []  # noqa: RUF012 - of this test's server only

    def do_GET(self) -> None:
        """Answer, and remember the trace id."""
        self.seen.append(self.headers["traceparent"])
        self.send_response(200 if self.path == "/up" else 503)
        self.end_headers()
        self.wfile.write("주문 실패 password=hunter2hunter2\nmore".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    """A real target; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def watching(shell: Shell, shop: str) -> Shell:
    """A shell whose config has two checks."""
    with shell.config.open("a") as config:
        config.write(
            f"checks:\n  up: {{url: '{shop}/up', allow_private: true}}\n"
            f"  checkout-api: {{url: '{shop}/down', allow_private: true}}\n"
        )
    return shell


def note(client: redis.Redis, name: str, record: Record) -> None:
    """Settle a run as a worker would."""
    keys, table = Keyspace(client), Timetable(name=name, every=timedelta(minutes=1), timeout=timedelta(seconds=1))
    Checks(keys).enroll([table])
    client.zadd(keys.key("checks:due"), {name: 1})
    (run,) = Checks(keys).take([table])
    Checks(keys).settle(run, Settled(record=record))


def test_the_list_shows_every_check_and_its_last_run(watching: Shell, redis_client: redis.Redis) -> None:
    last = Observation(at=AT, took=timedelta(), fault=Fault.TIMEOUT, got="no answer within 10 s")
    note(redis_client, "checkout-api", Record(down=True, since=AT, failed=3, row=3, last=last))
    lines = watching.run("checks", "list").stdout.splitlines()

    assert lines[0].split("  ")[0] == "name"
    assert re.search(r"^up +http +http://127.0.0.1:\d+/up +1m +never run$", lines[1])
    assert "1m     down       2026-07-01 09:00:00+09:00  2026-07-01 09:00:00+09:00  no answer within 10 s" in lines[2]


def test_the_list_for_programs(watching: Shell, redis_client: redis.Redis) -> None:
    note(redis_client, "up", Record(since=AT, row=2, last=Observation(at=AT, took=timedelta(), fault=Fault.DNS)))
    up, down = json.loads(watching.run("checks", "list", "-o", "json").stdout)

    assert (up["name"], up["state"], up["since"]) == ("up", "failing (2)", "2026-07-01T09:00:00+09:00")
    assert (down["state"], down["since"], down["last_run"]) == ("never run", None, None)


def test_without_checks_the_list_says_how_to_add_one(shell: Shell) -> None:
    shown = shell.run("checks", "list")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "add some under `checks`" in shown.stderr
    assert shell.run("checks", "list", "-o", "json").stdout == "[]\n"


def test_a_list_without_the_store_says_what_to_do(watching: Shell) -> None:
    shown = watching.run("checks", "list", REDIS_URL=NOWHERE)
    assert shown.exit_code == 3
    assert "the store does not answer" in shown.stderr


def test_a_run_shows_what_it_sees_and_needs_no_store(watching: Shell) -> None:
    shown = watching.run("checks", "run", "checkout-api", REDIS_URL=NOWHERE)
    rows = dict(re.split(r" {2,}", line, maxsplit=1) for line in shown.stdout.splitlines())

    assert shown.exit_code == 1
    assert rows["result"] == "status"
    assert rows["got"].startswith("HTTP 503 after ")
    assert rows["trace id"] in Shop.seen[-1]
    assert rows["Body"] == "주문 실패 password=[redacted]"
    assert "hunter2" not in shown.output


def test_a_run_that_sees_what_was_expected_is_a_success(watching: Shell) -> None:
    shown = watching.run("checks", "run", "up", "-o", "json")
    (seen,) = json.loads(shown.stdout)

    assert (shown.exit_code, seen["result"]) == (0, "ok")
    assert seen["facts"]["Status"] == "200 OK"


def test_a_wrong_name_is_answered_with_a_near_one(watching: Shell) -> None:
    shown = watching.run("checks", "run", "chekout-api")
    assert shown.exit_code == 1
    assert 'there is no check "chekout-api". Did you mean "checkout-api"?' in shown.stderr


def test_check_config_counts_them(watching: Shell) -> None:
    assert watching.run("check-config").stdout.endswith(" 2 checks.\n")


def test_doctor_says_whether_anybody_runs_them(watching: Shell, redis_client: redis.Redis) -> None:
    due = Keyspace(redis_client).key("checks:due")
    assert "warn  checks: no worker has up, checkout-api yet" in watching.run("doctor").stdout

    redis_client.zadd(due, {"up": datetime.now(UTC).timestamp() * 1000 + 5000})
    shown = watching.run("doctor").stdout
    assert "warn  checks: no worker has checkout-api yet" in shown
    assert "ok    checks: 1 of 2 run; none is down" in shown

    note(redis_client, "checkout-api", Record(down=True, since=AT, failed=3, row=3))
    assert "ok    checks: 2 of 2 run; down: checkout-api" in watching.run("doctor").stdout

    redis_client.zadd(due, {"up": datetime.now(UTC).timestamp() * 1000 - 300_000})
    shown = watching.run("doctor")
    assert "FAIL  checks: nobody runs the checks: one has been due for 5 min" in shown.stdout
    assert shown.exit_code == 1
