"""`doctor` against a real store and the sandbox: what is wrong, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from bridge.sandbox.slack_workspace import SlackChannel
from tests.cli.conftest import NOWHERE, Shell


@pytest.fixture
def as_found(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """The store, whose settings are put back afterwards."""
    names = ("appendonly", "appendfsync", "maxmemory-policy", "maxmemory")
    before = redis_client.config_get(*names)
    yield redis_client
    for name, value in before.items():
        redis_client.config_set(name, value)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no finding."""
    monkeypatch.setattr("bridge.store.examine.SLOW_MS", 60_000)
    monkeypatch.setattr("bridge.store.examine.CLOCK_OFF_S", 60)


def wrong(output: str) -> list[str]:
    """Return the findings that are not well, with their advice."""
    lines = output.splitlines()
    return [f"{a} {b.strip()}" for a, b in zip(lines, [*lines[1:], ""], strict=True) if a[:4] in ("FAIL", "warn")]


def test_all_is_well_against_the_sandbox(shell: Shell) -> None:
    result = shell.run("doctor")

    assert result.exit_code == 0, result.output
    assert wrong(result.stdout) == []
    for part in ("store: Valkey", "store: durability", "noeviction", "clock", "oncall: channel C0ONCALL", "tickets: "):
        assert part in result.stdout


def test_each_finding_as_json(shell: Shell) -> None:
    result = shell.run("doctor", "-o", "json")

    findings = json.loads(result.stdout)
    assert {f["part"] for f in findings} == {"store", "canary", "heartbeat_url", "oncall", "tickets"}
    assert {f["level"] for f in findings} == {"ok"}
    assert set(findings[0]) == {"part", "level", "what", "do"}


def test_a_store_that_is_down_fails_but_the_destinations_are_still_looked_at(shell: Shell) -> None:
    result = shell.run("doctor", REDIS_URL=NOWHERE)

    assert result.exit_code == 3
    (only,) = wrong(result.stdout)
    assert only.startswith("FAIL  store: the store does not answer")
    assert only.endswith("→ start it, or correct REDIS_URL")
    assert "oncall: the token is of" in result.stdout


@pytest.mark.parametrize(
    ("environ", "what", "do"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, "FAIL  oncall: Slack's auth.test answered invalid_auth", "set the token"),
        ({"SLACK_CHANNEL": "C0OTHERS"}, "FAIL  oncall: the app is not in channel C0OTHERS", "/invite"),
        ({"SLACK_CHANNEL": "C0NOWHERE"}, "FAIL  oncall: channel C0NOWHERE", "/invite"),
        ({"JIRA_API_TOKEN": "wrong"}, "FAIL  tickets: ", "check user and token"),
    ],
)
def test_what_is_wrong_with_a_destination_comes_with_what_to_do(
    shell: Shell, environ: dict[str, str], what: str, do: str
) -> None:
    shell.sandbox.slack.workspace.channels["C0OTHERS"] = SlackChannel(id="C0OTHERS", is_member=False)
    result = shell.run("doctor", **environ)

    assert result.exit_code == 1
    (only,) = wrong(result.stdout)
    assert only.startswith(what)
    assert do in only


def test_a_store_that_keeps_nothing_on_the_disk_fails(shell: Shell, as_found: redis.Redis) -> None:
    as_found.config_set("appendonly", "no")
    result = shell.run("doctor")

    assert result.exit_code == 1
    assert wrong(result.stdout) == [
        "FAIL  store: durability: none (AOF is off) → set appendonly yes, appendfsync always"
    ]


def test_a_store_that_drops_alerts_when_it_is_full_fails(shell: Shell, as_found: redis.Redis) -> None:
    as_found.config_set("maxmemory-policy", "allkeys-lru")
    result = shell.run("doctor")

    assert result.exit_code == 1
    assert "FAIL  store: maxmemory-policy is allkeys-lru → set it to noeviction" in wrong(result.stdout)[0]


def test_what_could_be_better_is_a_warning_and_no_failure(shell: Shell, as_found: redis.Redis) -> None:
    as_found.config_set("appendfsync", "everysec")
    as_found.config_set("maxmemory", "0")
    result = shell.run("doctor")

    assert result.exit_code == 0
    assert [line[:20] for line in wrong(result.stdout)] == ["warn  store: durabil", "warn  store: maxmemo"]


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}])
def test_there_are_no_colours_but_on_a_terminal(shell: Shell, environ: dict[str, str]) -> None:
    assert "\x1b" not in shell.run("doctor", **environ).output
