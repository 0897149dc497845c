"""Data for people or for programs: `-o table` or `-o json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import click

output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Form of the data."
)


def show(rows: Sequence[Mapping[str, object]], output: str, empty: str) -> None:
    """Print rows; columns are the first row's keys. An empty list says so on stderr, so that stdout stays data.

    Keys are in snake_case, and stand in a table's head with spaces; times are RFC 3339 in JSON.
    """
    if output == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2, default=_spelled))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    columns = list(rows[0])
    table = [[spaced(column) for column in columns], *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(_width(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def spaced(key: str) -> str:
    """Return a key as people read it: last_seen → last seen."""
    return key.replace("_", " ")


def _spelled(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return "" if value is None else " ".join(str(value).split())


def _width(text: str) -> int:
    """Return the columns a terminal needs: Korean, Chinese and Japanese characters take two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
