"""alert-bridge checks."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, tzinfo

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import FAILED, OK, Failure, Unreachable, load
from bridge.cli.table import output_option, show, spaced
from bridge.domain.checkup import Record
from bridge.domain.observation import Observation
from bridge.pipeline.check_alert import clean
from bridge.pipeline.checkups import Watched, looked
from bridge.settings import Settings
from bridge.settings.options import format_duration
from bridge.settings.problems import did_you_mean, listed
from bridge.store.checks import Checks, Standing

NONE = "No checks in the config: add some under `checks`, as in checks: {shop: {url: https://shop.example.com/health}}"


@click.group("checks")
def command() -> None:
    """The targets that the bridge looks at itself: how they are, and what a look sees now."""


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List them with what the workers' last runs saw."""
    settings = load.settings()
    watched = wiring.checks(settings)
    try:
        standing = Checks(wiring.keyspace(settings)).standing(list(watched))
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error
    rows = [_row(one, settings.checks[name].kind, standing[name], settings.timezone) for name, one in watched.items()]
    show(rows, output, NONE)


@command.command("run")
@click.argument("name")
@output_option
@click.pass_context
def run(ctx: click.Context, name: str, output: str) -> None:
    """Run one here and now, without the workers and the store, and show what it sees; exit 1 if that is a failure.

    Nobody is told, and nothing is counted.
    """
    settings = load.settings()
    watched = _found(wiring.checks(settings), name)
    now = datetime.now(UTC)
    seen = asyncio.run(looked(watched, now, secrets.token_hex(16)))
    seen = clean(seen, wiring.check_scrubbers(settings), now).seen
    facts = _seen(watched, settings, seen)
    if output == "json":
        show([facts], output, "")
    else:
        rows = [{"what": spaced(key), "is": value} for key, value in _flat(facts).items() if value != ""]
        show(rows, output, "", whole=True)
    ctx.exit(OK if seen.ok else FAILED)


def _found(known: dict[str, Watched], name: str) -> Watched:
    if name not in known:
        hint = did_you_mean(name, known) or (f" There are: {listed(known)}" if known else f" {NONE}")
        raise Failure(f'there is no check "{name}".{hint}')
    return known[name]


def _row(watched: Watched, kind: str, standing: Standing, timezone: tzinfo) -> dict[str, object]:
    record, last = standing.record, standing.record.last
    return {
        "name": watched.name,
        "kind": kind,
        "target": watched.check.target,
        "every": format_duration(watched.plan.every),
        "state": _state(record),
        "since": record.since.astimezone(timezone) if record.since else None,
        "last_run": last.at.astimezone(timezone) if last else None,
        "last_result": last.got if last else "",
    }


def _state(record: Record) -> str:
    """Return the state in a word or two: "failing" has not failed often enough to be down."""
    if record.last is None:
        return "never run"
    if record.down:
        return "down"
    return f"failing ({record.row})" if record.row else "up"


def _seen(watched: Watched, settings: Settings, seen: Observation) -> dict[str, object]:
    return {
        "name": watched.name,
        "kind": settings.checks[watched.name].kind,
        "target": watched.check.target,
        "result": str(seen.fault) if seen.fault else "ok",
        "expected": seen.expected,
        "got": seen.got,
        "took_ms": round(seen.took.total_seconds() * 1000, 1),
        "trace_id": seen.trace_id,
        "facts": seen.facts,
    }


def _flat(facts: dict[str, object]) -> dict[str, object]:
    """Return the same with its facts beside the rest, for a table."""
    inner = facts["facts"]
    rest = {key: value for key, value in facts.items() if key != "facts"}
    return {**rest, **(inner if isinstance(inner, dict) else {})}
