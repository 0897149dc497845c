"""The command line as a whole: help, usage, and a config that can't be used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import pytest

from bridge import __version__
from bridge.cli import COMMANDS
from tests.cli.conftest import NOWHERE, Shell
from tests.conftest import free_port

FIVE_MISTAKES = """\
timezone: Asia/Soul
sources:
  sentry: {kind: sentry, client_secret: "${UNSET_SECRET}"}
  metrics: {kind: alertmanger, bearer_token: t0ken-of-metrics}
destinations:
  oncall: {kind: slack, token: xoxb-1, channel: "#oncall"}
routes:
  - to: [oncal]
"""


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command_in_the_order_people_need_them(shell: Shell, flag: str) -> None:
    result = shell.run(flag)

    listed = [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == list(COMMANDS)
    assert result.exit_code == 0


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_says_what_it_does(shell: Shell, name: str) -> None:
    result = shell.run(name, "--help")

    assert result.exit_code == 0
    assert import_module(COMMANDS[name][0]).command.name == name


def test_help_imports_nothing_that_takes_time() -> None:
    heavy = ("celery", "redis", "jira", "httpx", "pydantic", "starlette")
    code = (
        "import sys; from bridge.cli import main; main(['--help'], standalone_mode=False); "
        f"sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert result.stderr == "[]\n"


def test_the_version_is_told(shell: Shell) -> None:
    assert __version__ in shell.run("--version").stdout


@pytest.mark.parametrize(
    "argv",
    [
        ["nope"],
        ["up", "--port", "x"],
        ["serve", "--port", "99999"],
        ["incidents", "-o", "xml"],
        ["send-test"],
        ["send-test", "sentry", "--times", "0"],
        ["doctor", "too", "many"],
    ],
)
def test_wrong_usage_ends_with_2_and_a_hint(shell: Shell, argv: list[str]) -> None:
    result = shell.run(*argv)

    assert result.exit_code == 2
    assert "--help" in result.stderr
    assert result.stdout == ""


def test_a_port_in_the_environment_that_is_none_is_wrong_usage(shell: Shell) -> None:
    result = shell.run("serve", PORT="eighty")

    assert result.exit_code == 2
    assert "'eighty' is not a valid integer" in result.stderr


# --- the config --------------------------------------------------------------------------------------------


def test_a_right_config_is_summed_up(shell: Shell) -> None:
    result = shell.run("check-config")

    assert result.exit_code == 0
    assert result.stdout == (
        "The config is right: 3 sources (sentry, alertmanager, cloudwatch), 2 destinations (oncall, tickets), "
        "1 route, 0 links.\n"
    )


def test_five_mistakes_are_named_at_once_with_their_lines(shell: Shell) -> None:
    shell.config.write_text(FIVE_MISTAKES)
    result = shell.run("check-config")

    assert result.exit_code == 1
    assert "the config has 5 mistakes" in result.stderr
    places = [line.split()[:2] for line in result.stderr.splitlines()[1:]]
    assert [(place.split(":")[-2], path) for place, path in places] == [
        ("1", "timezone:"),
        ("3", "sources.sentry.client_secret:"),
        ("4", "sources.metrics.kind:"),
        ("6", "destinations.oncall.channel:"),
        ("8", "routes[0].to[0]:"),
    ]
    assert result.stdout == ""


def test_what_is_hardly_meant_is_a_warning_and_no_mistake(shell: Shell) -> None:
    shell.config.write_text(shell.config.read_text() + "routes: [{to: [oncall]}]\n")
    result = shell.run("check-config")

    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "tickets" in result.stderr


@pytest.mark.parametrize("command", ["check-config", "doctor", "incidents", "serve", "up"])
def test_a_missing_config_is_told_with_the_ways_out(shell: Shell, command: str) -> None:
    result = shell.run(command, ALERT_BRIDGE_CONFIG=None, PORT=str(free_port()))

    assert result.exit_code == 1
    assert "There is no config at config/bridge.yaml" in result.stderr
    assert "alert-bridge up --demo" in result.stderr


@pytest.mark.parametrize("command", [["serve"], ["up"], ["doctor"], ["send-test", "sentry"], ["dead-letters", "list"]])
def test_a_broken_config_stops_every_command_with_all_its_mistakes(shell: Shell, command: list[str]) -> None:
    shell.config.write_text(FIVE_MISTAKES)
    result = shell.run(*command)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 6
    assert "t0ken" not in result.stderr


@pytest.mark.parametrize("command", [["doctor"], ["incidents"], ["dead-letters", "list"]])
def test_where_no_bridge_runs_unset_variables_are_told_as_that(shell: Shell, command: list[str]) -> None:
    missing = {"SLACK_BOT_TOKEN": None, "JIRA_API_TOKEN": None}
    head, *mistakes = shell.run(*command, REDIS_URL=None, **missing).stderr.splitlines()
    with_store = shell.run(*command, **missing)
    shell.config.write_text(shell.config.read_text() + "log: {level: loud}\n")
    otherwise = shell.run(*command, REDIS_URL=None, **missing)

    said = f"No bridge runs on this data directory (to try one: make run). With {shell.config}:"
    assert head.endswith(said)
    assert len(mistakes) == 2
    assert said not in with_store.stderr
    assert "the config has 3 mistakes" in otherwise.stderr


@pytest.mark.parametrize("command", [["serve"], ["doctor"], ["incidents"], ["dead-letters", "list"]])
def test_without_a_store_it_is_told_where_one_comes_from(shell: Shell, command: list[str]) -> None:
    result = shell.run(*command, REDIS_URL=None)

    assert result.exit_code == 1
    assert "set REDIS_URL" in result.stderr
    assert "alert-bridge up" in result.stderr


@pytest.mark.parametrize("command", [["incidents"], ["incidents", "abc-1"], ["dead-letters", "list"]])
def test_a_store_that_does_not_answer_ends_with_3(shell: Shell, command: list[str]) -> None:
    result = shell.run(*command, REDIS_URL=NOWHERE)

    assert result.exit_code == 3
    assert "the store does not answer" in result.stderr
    assert "Start the bridge, or set REDIS_URL" in result.stderr


def test_no_dead_letters_is_said_on_stderr_and_json_stays_json(shell: Shell, redis_client: object) -> None:
    result = shell.run("dead-letters", "list")

    assert (result.stdout, result.stderr, result.exit_code) == ("", "No dead letters.\n", 0)
    assert json.loads(shell.run("dead-letters", "list", "-o", "json").stdout) == []
