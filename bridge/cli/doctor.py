"""alert-bridge doctor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click
from msgspec.structs import replace

from bridge import bell, wiring
from bridge.cli import FAILED, OK, UNREACHABLE, load
from bridge.cli.table import output_option, show
from bridge.ports import Finding, Level
from bridge.store.checks import examine_checks
from bridge.store.examine import examine

MARKS = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "red")}


@click.command("doctor")
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """Check store, destinations and clock for real; exit 1 if anything fails, 3 if the store does not answer."""
    settings = load.settings()
    parts: list[tuple[str, Iterable[Finding]]] = [("store", examine(wiring.keyspace(settings)))]
    parts += [("broker", bell.examine(wiring.celery(settings)))] if settings.general.broker_url else []
    parts += [("checks", examine_checks(wiring.keyspace(settings)))] if settings.checks else []
    parts += [(name, sink.examine()) for name, sink in wiring.sinks(settings).items()]
    parts += [(name, action.examine()) for name, action in wiring.actions(settings).items()]
    code = OK
    rows = []
    for name, findings in parts:
        for found in findings:
            finding = replace(found, what=settings.mask(found.what))
            code = max(code, _code(finding))
            rows.append({"part": name, "level": str(finding.level), "what": finding.what, "do": finding.do})
            if output == "table":
                _print(name, finding)
    if output == "json":
        show(rows, output, "")
    ctx.exit(code)


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
