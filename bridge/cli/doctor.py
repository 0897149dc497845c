"""alert-bridge doctor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click

from bridge import wiring
from bridge.cli import FAILED, OK, load
from bridge.cli.table import output_option, show
from bridge.ports import Finding, Level
from bridge.store.examine import examine

MARKS = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "red")}


@click.command("doctor")
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """Check store, destinations and clock for real; exit 1 if anything fails."""
    settings = load.settings()
    parts: list[tuple[str, Iterable[Finding]]] = [("store", examine(wiring.keyspace(settings)))]
    parts += [(name, sink.examine()) for name, sink in wiring.sinks(settings).items()]
    failed = False
    rows = []
    for name, findings in parts:
        for finding in findings:
            failed |= finding.level is Level.FAIL
            rows.append({"part": name, "level": str(finding.level), "what": finding.what, "do": finding.do})
            if output == "table":
                _print(name, finding)
    if output == "json":
        show(rows, output, "")
    ctx.exit(FAILED if failed else OK)


def _print(name: str, finding: Finding) -> None:
    mark, color = MARKS[finding.level]
    colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(f"{click.style(mark, fg=color) if colored else mark}  {name}: {finding.what}")
    if finding.do:
        click.echo(f"      → {finding.do}")
