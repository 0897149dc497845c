"""What a check says to its target and nobody else is to read: a target may send it back, whole or a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

import msgspec

from bridge.checks.json_path import Json

SHORT = 4
"""Nothing shorter is looked for in an answer."""
LONG = 8
"""Shorter values in a query, form or line are words such as `verbose=true`, and no secrets."""


def spoken(text: str) -> Iterator[str]:
    """Yield a text that is sent: whole, in lines, and by the values in it, as a target quotes what it complains of."""
    yield from (text, text.strip(), *map(str.strip, text.splitlines()))
    yield from (value for value in _values(text) if len(value) >= LONG and not value.startswith("HTTP/"))


def _values(text: str) -> Iterator[str]:
    """Yield the texts in JSON, the values of a form, or the words of anything else."""
    try:
        document: Json = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield from (value for _, value in parse_qsl(text))
        yield from re.findall(r"[^\s\"'&=,;]+", text)
    else:
        yield from _texts(document)


def _texts(document: Json) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _texts(inner)
