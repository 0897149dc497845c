"""A YAML file as data, with the line and column of every key and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from bridge.settings.problems import Problem
from bridge.settings.syntax import SyntaxProblem, compose, duplicate, typed, whole
from bridge.settings.variables import expand

Path = tuple[str | int, ...]
LARGEST = 50_000
"""Nodes a config may have once its aliases are followed: more is a mistake, or an attack."""
MERGE = "tag:yaml.org,2002:merge"
MAP = "tag:yaml.org,2002:map"
SEQUENCE = "tag:yaml.org,2002:seq"
_LEFT_OUT = object()
"""What a value is that becomes empty with its variables put in: as if it weren't written."""


class Place(NamedTuple):
    """A position in the file, from 1."""

    line: int
    column: int


@dataclass
class Document:
    """What a file says, where it says it, and what is wrong with it so far."""

    file: str
    data: object = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    variables: dict[Path, list[str]] = field(default_factory=dict)
    """Names of the variables that stand in a value."""
    unset: dict[Path, list[str]] = field(default_factory=dict)
    """Names of variables that values need and that are not set; told once it is known which values are secrets."""
    broken: set[Path] = field(default_factory=set)
    """Values of which a problem is known: others about them would only confuse."""
    secrets: set[str] = field(default_factory=set)
    """Texts that must not show in any message."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def at(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """Return a problem with a value (or its key), placed as near as it is known."""
        nearest = next((p for n in range(len(path), -1, -1) if (p := path[:n]) in self.values), ())
        place = self.keys.get(path) if key else None
        place = place or self.values.get(nearest) or Place(1, 1)
        return Problem(file=self.file, line=place.line, column=place.column, path=dotted(path), message=message)

    def fail(self, path: Path, message: str, *, key: bool = False) -> None:
        """Keep a problem, and keep others about the same value away."""
        self.problems.append(self.at(path, message, key=key))
        self.broken.add(path)

    def warn(self, path: Path, message: str, *, key: bool = False) -> None:
        """Keep a warning."""
        self.warnings.append(self.at(path, message, key=key))


def dotted(path: Iterable[str | int]) -> str:
    """Return `routes[0].to[0]` for ("routes", 0, "to", 0)."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def read(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """Return what a YAML text says, with its variables put in; what is wrong is in `problems`."""
    document = Document(file)
    try:
        node = compose(text)
        if node is not None:
            document.data = _Reader(document, environ).value(node, (), ())
    except SyntaxProblem as problem:
        place = Place(problem.line, problem.column)
        document.problems = [Problem(file=file, line=place.line, column=place.column, message=str(problem))]
    return document


class _Reader:
    """Turns nodes into data; aliases are followed, merge keys (`<<`) are merged."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._left = LARGEST

    def value(self, node: yaml.Node, path: Path, within: tuple[yaml.Node, ...]) -> object:
        self._left -= 1
        if self._left < 0:
            raise SyntaxProblem(node.start_mark, "the config is far too large: look for aliases (*name) that multiply")
        if any(node is outer for outer in within):
            raise SyntaxProblem(node.start_mark, "an alias (*name) stands inside what it names: remove it")
        self._document.values[path] = _place(node)
        if isinstance(node, yaml.MappingNode) and node.tag == MAP:
            return self._mapping(node, path, (*within, node))
        if isinstance(node, yaml.SequenceNode) and node.tag == SEQUENCE:
            return self._sequence(node, path, (*within, node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._unknown_tag(node, path)
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path, within: tuple[yaml.Node, ...]) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        seen: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                merged = {**self._merged(value_node, path, within), **merged}
            elif isinstance(key_node, yaml.ScalarNode):
                key = whole(key_node)
                self._first(key, key_node, seen, path)
                value = self.value(value_node, (*path, key), within)
                own |= {} if value is _LEFT_OUT else {key: value}
            else:
                message = "a key has to be a word: quote it if it begins with [, {, or is a ${VARIABLE} or a template"
                raise SyntaxProblem(key_node.start_mark, message)
        return {**merged, **own}

    def _sequence(self, node: yaml.SequenceNode, path: Path, within: tuple[yaml.Node, ...]) -> list[object]:
        items: list[object] = []
        for item in node.value:
            place = (*path, len(items))
            self._document.variables.pop(place, None)  # of an item that was left out
            value = self.value(item, place, within)
            items += [] if value is _LEFT_OUT else [value]
        return items

    def _first(self, key: str, node: yaml.Node, seen: dict[str, yaml.Node], path: Path) -> None:
        self._document.keys[*path, key] = _place(node)
        if key in seen:
            self._document.fail((*path, key), duplicate(key, seen[key]), key=True)
        seen[key] = node

    def _merged(self, node: yaml.Node, path: Path, within: tuple[yaml.Node, ...]) -> dict[str, object]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, object] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise SyntaxProblem(node.start_mark, "<<: takes a map or a list of maps, as in <<: *name")
            value = self.value(part, path, within)
            found = {**value, **found} if isinstance(value, dict) else found
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        if "${" in node.value:
            return self._expanded(node.value, path)
        value, known = typed(node)
        if not known:
            self._unknown_tag(node, path)
        return value

    def _expanded(self, text: str, path: Path) -> object:
        """Return the text; it stays one, because options that want a number or a truth value read it from text."""
        expanded = expand(text, self._environ)
        document = self._document
        document.secrets |= expanded.secrets
        for message in expanded.problems:
            document.fail(path, message)
        if expanded.missing:
            document.unset[path] = expanded.missing
            document.broken.add(path)
        if expanded.names:
            document.variables[path] = expanded.names
        if not expanded.text.isprintable() and any("\ud800" <= char <= "\udfff" for char in expanded.text):
            document.fail(path, f"the value of {expanded.names} is not UTF-8 text: set it anew")
        empty = expanded.names and not expanded.text and not (expanded.problems or expanded.missing)
        return _LEFT_OUT if empty else expanded.text

    def _unknown_tag(self, node: yaml.Node, path: Path) -> None:
        self._document.fail(path, f"the tag {node.tag} means nothing here: remove it")


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
