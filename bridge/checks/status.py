"""Which HTTP statuses are expected: 200, "2xx", "200-299", or a list of those."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

Ranges = tuple[tuple[int, int], ...]
_FORM = re.compile(r"(?:(?P<kind>[1-5])xx|(?P<low>[1-5]\d\d)(?: ?- ?(?P<high>[1-5]\d\d))?)", re.ASCII | re.IGNORECASE)


def parse_statuses(value: object) -> object:
    """Return the ranges of 200, "2xx", "200-299" or a list of those; raises ValueError for anything else."""
    every = value if isinstance(value, list | tuple) else [value]
    if not every:
        raise ValueError("is empty: write a status such as 200, 2xx or 200-299, or leave it out")
    return tuple(_range(one) for one in every)


def _range(value: object) -> tuple[int, int]:
    if isinstance(value, tuple):
        low, high = value
        return low, high
    found = None if isinstance(value, bool) else _FORM.fullmatch(str(value).strip())
    if found is None:
        shown = f'"{value}"' if isinstance(value, str | int | float) else "this"
        raise ValueError(f"{shown} is no HTTP status: write 200, 2xx, 200-299 or a list of those")
    if found["kind"]:
        return int(found["kind"]) * 100, int(found["kind"]) * 100 + 99
    low, high = int(found["low"]), int(found["high"] or found["low"])
    if high < low:
        raise ValueError(f'"{value}" ends before it begins: write {high}-{low}')
    return low, high


def expects(ranges: Ranges, status: int) -> bool:
    """Return whether a status is among the expected ones."""
    return any(low <= status <= high for low, high in ranges)


def statuses_in_words(ranges: Ranges) -> str:
    """Return the ranges as they may be written in the config: "200, 300-399"."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


_FORMS = r"^([1-5]xx|[1-5]\d\d( ?- ?[1-5]\d\d)?)$"
_ONE = {"type": ["integer", "string"], "minimum": 100, "maximum": 599, "pattern": _FORMS}
Statuses = Annotated[
    Ranges,
    BeforeValidator(parse_statuses),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "minItems": 1, "items": _ONE}]}),
]
"""Expected statuses, as they are written in the config."""
