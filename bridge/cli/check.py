"""alert-bridge check-config."""

from __future__ import annotations

from collections.abc import Collection

import click

from bridge.cli import load, say
from bridge.settings import Settings


@click.command("check-config")
def command() -> None:
    """Check the config that ALERT_BRIDGE_CONFIG names (default config/bridge.yaml).

    Names every mistake at once, each with its line.
    """
    settings = load.own()
    for warning in settings.warnings:
        say(f"warning: {warning}")
    counted = [
        *([f"{_number(settings.sources, 'source')} ({', '.join(settings.sources)})"] if settings.sources else []),
        f"{_number(settings.destinations, 'destination')} ({', '.join(settings.destinations)})",
        _number(settings.routes, "route"),
        _number(settings.links, "link"),
        *([_number(settings.heartbeats, "heartbeat")] if settings.heartbeats else []),
        *([_recovery(settings)] if settings.recovery else []),
        *([_number(settings.checks, "check")] if settings.checks else []),
        *([f"a canary ({', '.join(canary.to)})"] if (canary := settings.general.canary) else []),
    ]
    click.echo(f"The config is right: {', '.join(counted)}.")


def _recovery(settings: Settings) -> str:
    """Return what is armed, and what only says what it would do."""
    told = [f"{name}{' (dry run)' if one.guard.dry_run else ''}" for name, one in settings.recovery.items()]
    return f"{_number(told, 'recovery action')} ({', '.join(told)})"


def _number(things: Collection[object], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
