"""What to write where something of another shape stands: a bare address for a map, a map for a list."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from bridge.settings.fields import Model, fields, keys
from bridge.settings.problems import listed

ITEMS = "has to be a list: write [ ] around it, or a - before each item"
_PORT = re.compile(r"[^\s/]+:\d{1,5}")


def entry(name: str, given: object, known: Mapping[str, Model], default: str = "") -> str:
    """Return what is said of an entry that is no map; one of a list has no name. `default`: the kind left unwritten."""
    kind = _kind(name, given, known, default)
    others = [one for one in known if one != kind]
    more = f"; {'there are also the kinds' if len(others) > 1 else 'there is also the kind'} {listed(others)}"
    written = sketch(known[kind], "" if kind == default else kind)
    return f"{_what(given)}: write {f'{name}:' if name else '-'} {written}{more if others else ''}"


def route(given: object) -> str:
    """Return what is said of a route that is no map."""
    return f"{_what(given)}: write {{match: ['severity=critical'], to: [oncall]}}"


def options(given: object, model: Model) -> str:
    """Return what is said where a map of options has to be."""
    written = sketch(model)
    known = f"the keys are {listed(keys(model))}"
    return f"{_what(given)}: write {f'key: value; {known}' if '…' in written else f'{written}; {known}'}"


def items(given: object, info: FieldInfo | None) -> str:
    """Return what is said where a list has to be."""
    example = f", as in {_example(info)}" if info is not None and info.examples else ""
    return f"has to be a list, and not a map{example}" if isinstance(given, dict) else ITEMS + example


def text(given: object, info: FieldInfo | None) -> str:
    """Return what is said where a text has to be."""
    if isinstance(given, dict | list):
        first = info.examples[0] if info is not None and info.examples else ""
        example = f", as in {_quoted(first[0] if isinstance(first, list) else first)}" if first else ""
        return f"has to be a text, and not a {'map' if isinstance(given, dict) else 'list'}{example}"
    read = "true or false" if isinstance(given, bool) else "a number"
    return f"has to be a text, and YAML reads {read} here: put it in quotes"


def sketch(model: Model, kind: str = "") -> str:
    """Return what a map of options is like: `{kind: dns, name: shop.example.com}`; {…} if nothing is needed in it."""
    shown = [f"{key}: {_example(info)}" for key, info in fields(model) if info.is_required() or info.examples]
    shown = [one for one in shown if not one.startswith("kind:")] or ["…"]
    return f"{{{', '.join([f'kind: {kind}', *shown] if kind else shown)}}}"


def _what(given: object) -> str:
    return "is empty" if given is None else "has to be a map"


def _kind(name: str, given: object, known: Mapping[str, Model], default: str) -> str:
    """Return the kind that was hardly meant otherwise."""
    if isinstance(given, str) and given in known:
        return given
    if isinstance(given, str) and _PORT.fullmatch(given) and "tcp" in known:
        return "tcp"
    return name if name in known else default or next(iter(known))


def _example(info: FieldInfo) -> str:
    if not info.examples:
        return "…"
    example = info.examples[0]
    return f"[{listed(map(_quoted, example))}]" if isinstance(example, list) else _quoted(example)


def _quoted(example: object) -> str:
    """Return a value as it stands inside brackets: matchers, variables and templates hold what has a meaning there."""
    if re.search(r"[{}\[\],=]", str(example)):
        return f'"{example}"' if "$" in str(example) or "{{" in str(example) else f"'{example}'"
    return str(example)
