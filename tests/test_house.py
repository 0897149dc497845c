"""The house rules that no linter knows (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = sorted(path for room in ("bridge", "workers") for path in (ROOT / room).rglob("*.py"))
ALL_CODE = CODE + sorted(path for room in ("tests", "bench") for path in (ROOT / room).rglob("*.py"))

EMPTY_WORDS = {
    *("manager", "managers", "service", "services", "handler", "handlers", "helper", "helpers", "util", "utils"),
    *("base", "common", "core", "provider", "providers"),
}
LONGEST_FILE = 260
EDGES = {
    *("bridge/pipeline/attempt.py", "bridge/pipeline/ingest.py", "bridge/pipeline/hear.py"),
    *("workers/app.py", "bridge/cli/__init__.py", "bridge/web/app.py", "bridge/web/hooks.py"),
    "bridge/pipeline/checkups.py",
    "bridge/pipeline/recover.py",
}
"""Where a process meets what it can't foresee; only here may everything be caught."""
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:root|work|home/[a-z]\w*|Users/\w+)/")
REASONED_IGNORE = re.compile(r"# type: ignore\[[\w, -]+\]\s+(?:# |- )\S")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def words(identifier: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", identifier)}


def classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def registered(room: str) -> list[str]:
    """The kinds in a room's registry."""
    return list(getattr(import_module(f"bridge.{room}"), room.upper()))


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listing.split("\0") if line and (ROOT / line).is_file()]


def test_names_say_what_a_thing_is() -> None:
    files = [name(path) for path in ALL_CODE if words(path.stem) & EMPTY_WORDS]
    named = [f"{name(path)}: {node.name}" for path in ALL_CODE for node in classes(path)]

    assert not files
    assert not [one for one in named if words(one.rpartition(" ")[2]) & EMPTY_WORDS]


def test_a_file_is_short_enough_to_be_read() -> None:
    lengths = {name(path): sum(bool(line.strip()) for line in path.read_text().splitlines()) for path in CODE}

    assert not {path: length for path, length in lengths.items() if length > LONGEST_FILE}


def test_only_the_edges_of_a_process_catch_everything() -> None:
    assert not [where for path in CODE if name(path) not in EDGES for where in catch_alls(path)]


def catch_alls(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = (
                {one.id for one in ast.walk(node.type) if isinstance(one, ast.Name)} if node.type else {"Exception"}
            )
            if caught & {"Exception", "BaseException"}:
                yield f"{name(path)}:{node.lineno}"


def test_what_the_type_checker_is_told_to_ignore_has_a_code_and_a_reason() -> None:
    assert not [where for path in CODE for where in bare_ignores(path)]


def bare_ignores(path: Path) -> Iterator[str]:
    with tokenize.open(path) as lines:
        for token in tokenize.generate_tokens(lines.readline):
            comment = token.string if token.type == tokenize.COMMENT else ""
            if "# type: ignore" in comment and not REASONED_IGNORE.search(comment):
                yield f"{name(path)}:{token.start[0]}"


def test_everything_public_says_what_it_is() -> None:
    spoken = [path for path in CODE if "sandbox" not in path.parts]  # whose functions are the vendors' own calls

    assert not [where for path in spoken for where in undocumented(path)]


def undocumented(path: Path) -> Iterator[str]:
    if tree(path).body and not ast.get_docstring(tree(path)):
        yield name(path)
    for node in tree(path).body:
        public = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
        if public and not ast.get_docstring(node):
            yield f"{name(path)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("room", ["sources", "sinks"])
def test_every_adapter_has_its_test_and_its_page(room: str) -> None:
    kinds = registered(room)

    assert kinds
    assert not [kind for kind in kinds if not list((ROOT / "tests" / room).glob(f"test_{kind}*.py"))]
    assert not [kind for kind in kinds if not (ROOT / "docs" / room / f"{kind}.md").exists()]


def test_every_kind_of_check_has_its_test_and_its_section_with_every_option() -> None:
    page = (ROOT / "docs" / "checks.md").read_text()
    kinds = import_module("bridge.checks").CHECKS

    assert not [kind for kind in kinds if not list((ROOT / "tests" / "checks").glob(f"test_{kind}*.py"))]
    for kind, made in kinds.items():
        section = page.partition(f"\n### {kind}\n")[2].partition("\n### ")[0]
        options = [info.alias or name for name, info in made.Options.model_fields.items()]
        assert section, kind
        assert not [option for option in options if f"| `{option}` |" not in section], kind


def test_no_machine_is_named_in_what_is_shipped() -> None:
    texts = {path: path.read_bytes().decode("utf-8", "replace") for path in tracked()}

    assert not [f"{name(path)}: {found[0]}" for path, text in texts.items() if (found := MACHINE_PATH.search(text))]


def test_every_link_between_pages_leads_somewhere() -> None:
    assert not [where for path in tracked() if path.suffix == ".md" for where in dead_links(path)]


def dead_links(page: Path) -> Iterator[str]:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
            yield f"{name(page)}: {target}"


def test_every_kind_of_recovery_action_has_its_test_and_its_section() -> None:
    from bridge.recovery import ACTIONS

    page = (ROOT / "docs" / "recovery.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "recovery").glob("test_*.py"))

    assert not [
        kind for kind in ACTIONS if f"`kind: {kind}`" not in page or f"bridge.recovery.{kind} import" not in tests
    ]
