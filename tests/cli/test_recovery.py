"""alert-bridge recovery: what may be tried, and what was."""

from __future__ import annotations

import json
from datetime import timedelta

import redis

from bridge.domain.recovery import Guard
from tests.cli.conftest import NOWHERE, Shell
from tests.pipeline.lever import LeverDesk

CONFIG = """
recovery:
  pull: {kind: kubernetes, namespace: shop, deployment: checkout, dry_run: false, per_hour: 2}
  rehearse: {kind: webhook, url: "https://ci.example.com/s3cr3t", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
"""
ROUTE = "routes:\n  - {match: [service=checkout], to: [oncall], recover: [pull, rehearse]}\n  - to: [oncall, tickets]\n"


def configured(shell: Shell) -> Shell:
    with shell.config.open("a") as config:
        config.write(CONFIG + ROUTE)
    return shell


def test_the_list_shows_what_is_armed_and_what_it_did_last(shell: Shell, redis_client: redis.Redis) -> None:
    desk = LeverDesk(redis_client, Guard(dry_run=False, after=timedelta(), per_hour=2))
    desk.fire()
    desk.recover()
    pull, rehearse = json.loads(configured(shell).run("recovery", "list", "-o", "json").stdout)

    assert (pull["name"], pull["mode"], pull["this_hour"], pull["result"]) == ("pull", "armed", "1 of 2", "done")
    assert (pull["said"], pull["incident"]) == ("recovery pull: pulled the lever of checkout", f"{'f' * 24}-1")
    assert pull["last_run"].endswith("+09:00")
    assert (rehearse["mode"], rehearse["this_hour"], rehearse["last_run"]) == ("dry run", "0 of 3", None)


def test_the_list_as_a_table(shell: Shell, redis_client: redis.Redis) -> None:
    shown = configured(shell).run("recovery", "list").stdout.splitlines()

    assert shown[0].split()[:5] == ["name", "kind", "mode", "after", "cool"]
    assert shown[2].startswith("rehearse  webhook     dry run  5m     15m        0 of 3")


def test_without_actions_the_list_says_where_to_read(shell: Shell) -> None:
    shown = shell.run("recovery", "list", REDIS_URL=NOWHERE)

    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "docs/recovery.md" in shown.stderr


def test_a_list_without_the_store_says_what_to_do(shell: Shell) -> None:
    shown = configured(shell).run("recovery", "list", REDIS_URL=NOWHERE)

    assert shown.exit_code == 3
    assert "the store does not answer" in shown.stderr


def test_check_config_says_what_is_only_a_dry_run(shell: Shell) -> None:
    shown = configured(shell).run("check-config")

    assert "2 recovery actions (pull, rehearse (dry run))" in shown.stdout


def test_doctor_looks_at_actions_without_running_them(shell: Shell, redis_client: redis.Redis) -> None:
    shown = configured(shell).run("doctor", KUBERNETES_SERVICE_HOST=None)

    assert "rehearse: calls ci.example.com, signed (not tried: that would run it)" in shown.stdout
    assert "could not restart deployment shop/checkout: no service account" in shown.stdout
    assert "s3cr3t" not in shown.output
