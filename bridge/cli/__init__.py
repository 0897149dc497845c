"""alert-bridge: the command line. Data goes to stdout, talk to stderr; each command's module loads when it is used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from bridge import __version__

OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3

COMMANDS = {
    "up": ("bridge.cli.up", "Run everything on this machine: store, receiver, worker."),
    "serve": ("bridge.cli.serve", "Run the HTTP receiver alone."),
    "check-config": ("bridge.cli.check", "Check the config; name every mistake at once."),
    "doctor": ("bridge.cli.doctor", "Check store, Slack, Jira and clock; say what to do."),
    "send-test": ("bridge.cli.send_test", "Send a proven sample alert of a source to a bridge."),
    "incidents": ("bridge.cli.incidents", "List incidents, or show one."),
    "checks": ("bridge.cli.checks", "List health checks, or run one now."),
    "heartbeats": ("bridge.cli.heartbeats", "List what has to be heard from, and how it is."),
    "recovery": ("bridge.cli.recovery", "List recovery actions and what they did last."),
    "dead-letters": ("bridge.cli.dead_letters", "Look at what needs a person; try it again, or drop it."),
}


class Failure(click.ClickException):
    """A command could not do its work; the message says what to do about it."""

    exit_code = FAILED


class Unreachable(Failure):
    """What the command needs does not answer."""

    exit_code = UNREACHABLE


class LazyGroup(click.Group):
    """A group whose commands are imported when they run: `--help` must be instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a config that turns out to be unusable on the way is a failure like any other."""
        from bridge.settings import ConfigError

        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise Failure(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """One problem, one Slack message, one Jira issue.

    Exit codes: 0 all is well, 1 a check failed, 2 wrong usage, 3 something can't be reached.
    """


def say(text: str) -> None:
    """Talk to the person at the terminal, on stderr."""
    click.echo(text, err=True)


if __name__ == "__main__":
    sys.exit(main())
