"""pydantic's errors in an operator's words: what is wrong and what to do, never the value of a secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.settings import shapes, unknown
from bridge.settings.document import Document, Path
from bridge.settings.fields import FILE, Model, field_at, keys, model_at, secrets
from bridge.settings.options import format_duration
from bridge.settings.problems import did_you_mean, listed
from bridge.settings.unknown import Around

ALONE = Around()
_SHAPES = {
    "dict_type": "has to be a map: write key: value",
    "bool_type": "has to be true or false",
    "bool_parsing": "has to be true or false",
    "int_type": "has to be a whole number",
    "int_parsing": "has to be a whole number",
    "int_from_float": "has to be a whole number",
    "float_type": "has to be a number",
    "float_parsing": "has to be a number",
}
_SPAN = re.compile(r"datetime\.timedelta\(([^()]*)\)")
_LISTS = {"list_type", "tuple_type", "set_type", "frozen_set_type"}
_MAPS = {"model_type", "model_attributes_type"}
_NUMBERS = {"int_type", "int_parsing", "int_from_float", "bool_type", "bool_parsing", "float_type", "float_parsing"}


def complain(error: ValidationError, document: Document, path: Path, model: Model, around: Around = ALONE) -> None:
    """Add a problem to the document for each of pydantic's errors about the data at a path."""
    told: set[Path] = set()
    for detail in error.errors(include_url=False):
        missing = detail["type"] in ("missing", "extra_forbidden")
        place = _place(document, path, detail["loc"], whole=missing)
        if _known(document, place, detail) or place in told:
            continue
        told.add(place)
        names = document.variables.get(place, [])
        message = _words(detail, model, around if len(detail["loc"]) == 1 else ALONE, names)
        document.problems.append(document.at(place, message, key=detail["type"] == "extra_forbidden"))


def _place(document: Document, path: Path, loc: Path, *, whole: bool) -> Path:
    """Return the error's place in the YAML: pydantic's own has names of types and validators in it."""
    for part in loc:
        if (*path, part) not in document.values and not (whole and part == loc[-1]):
            break
        path = (*path, part)
    return path


def _known(document: Document, place: Path, detail: ErrorDetails) -> bool:
    if place in document.broken or _follows(detail):
        return True
    about_the_whole = detail["type"] == "value_error" or detail["type"] == "assertion_error"
    return about_the_whole and any(broken[: len(place)] == place for broken in document.broken)


def _follows(detail: ErrorDetails) -> bool:
    """Return whether a list is only too short because pydantic left out items that it complains of one by one."""
    given = detail["input"]
    return detail["type"] == "too_short" and isinstance(given, list) and len(given) >= detail["ctx"]["min_length"]


def _words(detail: ErrorDetails, whole: Model, around: Around, names: Sequence[str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    key, model = str(detail["loc"][-1]) if detail["loc"] else "", model_at(whole, detail["loc"][:-1])
    if kind == "missing" and names:
        return f"is missing, because it is taken from {listed(names)}, which is empty: set that"
    if kind == "missing":
        twin = f" or {key}{FILE}" if model and key in secrets(model) else ""
        return f"is missing: add {key}{twin}"
    if kind == "extra_forbidden":
        return unknown.option(key, [*(keys(model) if model else ()), *around.keys], around.kinds)
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", detail["msg"]))
    if detail["input"] is None:
        return "is empty: write a value, or remove the key"
    if kind in ("enum", "literal_error"):
        return _one_of(str(context.get("expected", "")), detail["input"])
    return _shape(detail, whole)


def _one_of(expected: str, given: object) -> str:
    known = re.findall(r"'([^']*)'", expected)
    hint = did_you_mean(given, known) if isinstance(given, str) else ""
    return f"has to be one of: {listed(known) or expected}{hint and f'.{hint}'}"


def _shape(detail: ErrorDetails, whole: Model) -> str:
    kind, context, info = detail["type"], detail.get("ctx", {}), field_at(whole, detail["loc"])
    if kind == "string_type":
        return shapes.text(detail["input"], info)
    if kind in _LISTS:
        return shapes.items(detail["input"], info)
    if kind in _MAPS and (model := model_at(whole, detail["loc"])):
        return shapes.options(detail["input"], model)
    if kind in _SHAPES:
        quoted = kind in _NUMBERS and isinstance(detail["input"], str)
        return _SHAPES[kind] + (f', and not "{detail["input"]}"' if quoted else "")
    if kind == "too_short" and isinstance(detail["input"], list):
        return f"has too few items: write at least {context.get('min_length')}"
    if kind in ("too_short", "string_too_short"):  # the former of a Secret
        return f"is too short: write at least {context.get('min_length')} characters"
    if kind == "string_pattern_mismatch":
        form = f", which is {context.get('pattern')}"
        example = f": write one such as {info.examples[0]}" if info is not None and info.examples else ""
        return f"does not have the right form{example or form}"
    said = re.sub(r"^(Input|Value|String|List|Tuple) should ", "has to ", detail["msg"])
    return _SPAN.sub(_span, said).replace("timedelta", "duration")


def _span(found: re.Match[str]) -> str:
    """Return a limit that pydantic shows as Python writes it, `datetime.timedelta(seconds=1)`, as an operator would."""
    parts = (part.partition("=") for part in found[1].split(",") if "=" in part)
    return format_duration(timedelta(**{name.strip(): float(value) for name, _, value in parts}))
