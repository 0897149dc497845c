"""Structs as plain data by name: their own encoding, by position, is for the store alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


def plain(value: object) -> object:
    """Return a value as dicts, lists, texts and numbers, to be shown or sent as JSON; times in ISO 8601."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, frozenset)):
        return [plain(item) for item in value]
    made: object = msgspec.to_builtins(value)
    return made
