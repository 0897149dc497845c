"""alert-bridge doctor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

import click
from msgspec.structs import replace
from redis.exceptions import RedisError

from bridge import bell, wiring
from bridge.cli import FAILED, OK, UNREACHABLE, load
from bridge.cli.table import output_option, show
from bridge.pipeline import diagnosis
from bridge.ports import Finding, Level
from bridge.settings import Settings
from bridge.store.checks import Checks
from bridge.store.examine import examine
from bridge.store.heartbeats import Heartbeats
from bridge.store.vitals import Vitals

MARKS = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "red")}


@click.command("doctor")
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """Check store, destinations and clock for real; exit 1 if anything fails, 3 if the store does not answer."""
    settings = load.settings()
    code = OK
    rows = []
    for name, findings in _parts(settings):
        for found in findings:
            finding = replace(found, what=settings.mask(found.what))
            code = max(code, _code(finding))
            rows.append({"part": name, "level": str(finding.level), "what": finding.what, "do": finding.do})
            if output == "table":
                _print(name, finding)
    if output == "json":
        show(rows, output, "")
    ctx.exit(code)


def _parts(settings: Settings) -> Iterator[tuple[str, Iterable[Finding]]]:
    """Yield what is looked at, by name; each is looked at when its findings are asked for."""
    store = list(examine(wiring.keyspace(settings)))
    yield "store", store
    if settings.general.broker_url:
        yield "broker", bell.examine(wiring.celery(settings))
    if not any(finding.unreachable for finding in store):
        yield from _watched(settings)
    yield from ((name, sink.examine()) for name, sink in wiring.sinks(settings).items())
    yield from ((name, action.examine()) for name, action in wiring.actions(settings).items())


def _watched(settings: Settings) -> Iterator[tuple[str, Iterable[Finding]]]:
    """Yield what the bridge watches, itself too; a store that fell silent since it was examined ends it."""
    keys, plans = wiring.keyspace(settings), wiring.plans(settings)
    try:
        if settings.checks:
            yield "checks", list(diagnosis.of_checks(Checks(keys), list(settings.checks)))
        if plans:
            yield "heartbeats", list(diagnosis.of_heartbeats(Heartbeats(keys), plans))
        parts = wiring.parts(settings)
        vital = Vitals(keys).read(list(parts.sinks))
        yield "canary", [diagnosis.of_canary(parts.aviary, vital)]
        yield "heartbeat_url", [diagnosis.of_pulse(parts, vital)]
    except (RedisError, OSError):
        return


def _code(finding: Finding) -> int:
    if finding.level is not Level.FAIL:
        return OK
    return UNREACHABLE if finding.unreachable else FAILED


def _print(name: str, finding: Finding) -> None:
    mark, color = MARKS[finding.level]
    colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(f"{click.style(mark, fg=color) if colored else mark}  {name}: {finding.what}")
    if finding.do:
        click.echo(f"      → {finding.do}")
