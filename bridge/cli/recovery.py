"""alert-bridge recovery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Unreachable, load
from bridge.cli.table import output_option, show
from bridge.settings import Settings
from bridge.settings.options import format_duration
from bridge.settings.recovery import Recovery
from bridge.store.runs import Last, Runs

NONE = "No recovery actions in the config: docs/recovery.md says what they are, and what to think of before."


@click.group("recovery")
def command() -> None:
    """What the bridge may try against an incident: what holds it back, and what it did last."""


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List the recovery actions of the config, with their last runs."""
    settings = load.settings()
    runs = Runs(wiring.keyspace(settings))
    try:
        rows = _rows(settings, runs, datetime.now(UTC)) if settings.recovery else []
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error
    show(rows, output, NONE)


def _rows(settings: Settings, runs: Runs, now: datetime) -> list[dict[str, object]]:
    last: Mapping[str, Last] = runs.last()
    return [
        _row(name, one, runs.in_hour(name, one.guard, now), last.get(name), settings.timezone)
        for name, one in settings.recovery.items()
    ]


def _row(name: str, action: Recovery, ran: int, last: Last | None, timezone: tzinfo) -> dict[str, object]:
    guard = action.guard
    return {
        "name": name,
        "kind": action.kind,
        "mode": "dry run" if guard.dry_run else "armed",
        "after": format_duration(guard.after),
        "cool_down": format_duration(guard.cool_down),
        "this_hour": f"{ran} of {guard.per_hour}",
        "last_run": last.at.astimezone(timezone) if last else None,
        "result": str(last.state) if last else "",
        "incident": last.incident if last else "",
        "said": last.text if last else "",
    }
