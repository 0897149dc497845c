"""What the pages for operators list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from bridge.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent
CLI = (ROOT / "docs" / "cli.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
EVENT = re.compile(r'log\.(?:debug|info|warning|error|exception)\(\s*"([a-z_]+)"')


def first_column(heading: str) -> set[str]:
    """Return the words in backquotes in the first column of the table below a heading."""
    section = OPERATIONS.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {word for cell in cells for word in re.findall(r"`([a-z_]+)`", cell)}


def test_every_log_event_is_in_its_table() -> None:
    code = [path.read_text() for room in ("bridge", "workers") for path in (ROOT / room).rglob("*.py")]
    told = {event for text in code for event in EVENT.findall(text)}

    assert told - first_column("## Log lines") == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_and_option_is_on_its_page(name: str) -> None:
    section = CLI.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    command = main.get_command(click.Context(main), name)
    assert section
    assert command is not None
    text = section + CLI.partition("\n## ")[0]
    options = [one for one in command.params if isinstance(one, click.Option)]

    assert not [one.name for one in options if not any(f"`{spelt}" in text for spelt in one.opts)]


def test_the_help_on_the_page_is_the_commands_help() -> None:
    shown = re.search(r"^Commands:\n.*?(?=```)", CLI, re.DOTALL | re.MULTILINE)
    assert shown
    assert shown[0] in main.get_help(click.Context(main, info_name="alert-bridge")) + "\n"
