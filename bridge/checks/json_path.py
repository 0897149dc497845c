"""A place in a JSON document: `status.db[0].ok`.

    path  = first ( "." name | "[" index "]" | '["' text '"]' )*
    first = name | '["' text '"]' | "[" index "]" | "$"

A name is anything without `.`, `[`, `]`, `"` and white space; other keys go into `["…"]`, with `\\"` and `\\\\` for a
quote and a backslash. An index counts from 0. No wildcards, filters or slices: one path leads to one value.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

Path = tuple[str | int, ...]
Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
_STEP = re.compile(
    r"""(?P<dot>\.)?(?:(?P<name>[^.\[\]"\s]+)|\[(?P<index>\d{1,9})\]|\["(?P<key>(?:[^"\\]|\\["\\])*)"\])""", re.ASCII
)
DEEPEST = 64


def parse_path(text: str) -> Path:
    """Return the keys and indexes of a path; raises ValueError with the place where it can't be read."""
    steps: list[str | int] = []
    rooted = text == "$" or text.startswith(("$.", "$["))
    at = 1 if rooted else 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or bool(found["dot"]) is not (found["name"] is not None and (rooted or at > 0)):
            raise ValueError(f'"{text}" can\'t be read from character {at + 1} on: write it as in status.db[0].ok')
        steps.append(_step(found))
        at = found.end()
    if (not steps and not rooted) or len(steps) > DEEPEST:
        raise ValueError(f'"{text}" is no path to a value: write it as in status.db[0].ok')
    return tuple(steps)


def _step(found: re.Match[str]) -> str | int:
    if found["index"] is not None:
        return int(found["index"])
    return found["name"] if found["name"] is not None else re.sub(r"\\(.)", r"\1", found["key"])


def _readable(text: str) -> str:
    parse_path(text)
    return text


JsonPath = Annotated[str, AfterValidator(_readable)]
"""A path, as it is written in the config."""


def value_at(document: Json, path: Path) -> Json:
    """Return the value at a path; raises LookupError with what is missing there."""
    here = document
    for step in path:
        if isinstance(step, int):
            if not isinstance(here, list) or step >= len(here):
                raise LookupError(f"there is no [{step}]")
            here = here[step]
        else:
            if not isinstance(here, dict) or step not in here:
                raise LookupError(f'there is no "{step}"')
            here = here[step]
    return here


def same(one: Json, other: Json) -> bool:
    """Return whether two scalar values are the same in JSON: 1 is 1.0, but neither true nor "1"."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and one == other
