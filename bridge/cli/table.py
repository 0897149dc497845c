"""Data for people or for programs: `-o table` or `-o json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from bridge.cli import layout, screen

NAMES = ("id", "name", "incident", "address")
"""What people copy out of a list: it is never shortened."""

Rows = Sequence[Mapping[str, object]]

output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Form of the data."
)


def show(rows: Rows, output: str, empty: str, *, whole: bool = False) -> None:
    """Print rows; columns are the first row's keys. An empty list says so on stderr, so that stdout stays data.

    Keys are in snake_case, and stand in a table's head with spaces; times are RFC 3339 in JSON. On a terminal that
    is too narrow the widest texts of a table are shortened; with `whole` nothing is, and the last column is wrapped.
    """
    if output == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2, default=_spelled))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    columns = list(rows[0])
    table = [[spaced(column) for column in columns], *([_cell(row.get(column)) for column in columns] for row in rows)]
    room = screen.room()
    lines = layout.told(table, room) if whole else layout.listed(table, room, _fixed(rows))
    for line in lines:
        click.echo(line)


def spaced(key: str) -> str:
    """Return a key as people read it: last_seen → last seen."""
    return key.replace("_", " ")


def _fixed(rows: Rows) -> set[int]:
    """Return which columns hold names, times or numbers, of which a part is worth nothing."""
    return {
        i
        for i, column in enumerate(rows[0])
        if column in NAMES or not all(isinstance(row.get(column), str | None) for row in rows)
    }


def _spelled(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return "" if value is None else screen.one_line(str(value))
