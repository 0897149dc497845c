"""SECURITY.md names a test for every threat, and each of them is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
NAMED = re.compile(r"`([\w/]*test_\w+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The cells of the table of threats."""
    table = PAGE.partition("| threat | defence | test |\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[1:]]


@cache
def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_threat_has_a_defence_and_a_test_that_is_there() -> None:
    assert len(rows()) > 30
    for threat, defence, named in rows():
        found = NAMED.findall(named)
        assert defence, threat
        assert found, threat
        for file, test in found:
            path = ROOT / file if "/" in file else ROOT / "tests" / "security" / file
            assert path.exists(), f"{threat}: {file}"
            assert test in functions(path), f"{threat}: {test}"


def test_every_file_of_these_tests_is_named_on_the_page() -> None:
    own = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}

    assert own <= {file for file, _ in NAMED.findall(PAGE)}
