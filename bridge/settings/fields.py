"""What a model of options looks like from outside: its keys, its secrets, its nested models."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

FILE = "_file"
"""What is added to a secret's key for the path of a file to read it from."""
Model = type[BaseModel]


def fields(model: Model) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the options as they are written in the YAML."""
    for name, info in model.model_fields.items():
        yield info.alias or name, info


def is_secret(annotation: object) -> bool:
    """Return whether an option is a secret, or a secret or nothing."""
    if annotation is SecretStr:
        return True
    wraps = get_origin(annotation) in (Union, UnionType, Annotated)
    return wraps and any(is_secret(part) for part in get_args(annotation))


def holds_secrets(annotation: object) -> bool:
    """Return whether secrets are anywhere in an option, as in a list of them."""
    return annotation is SecretStr or any(holds_secrets(part) for part in get_args(annotation))


def nested(annotation: object) -> Model | None:
    """Return the model of options inside an option, be it optional or a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := nested(part))), None)


def secrets(model: Model) -> list[str]:
    """Return the keys of secrets that take `<key>_file`."""
    own = dict(fields(model))
    return [key for key, info in own.items() if is_secret(info.annotation) and key + FILE not in own]


def keys(model: Model) -> list[str]:
    """Return every key that may stand in the YAML."""
    return [*(key for key, _ in fields(model)), *(key + FILE for key in secrets(model))]


def model_at(model: Model, path: tuple[str | int, ...]) -> Model | None:
    """Return the model of options that a path inside a model leads to."""
    found: Model | None = model
    for part in path:
        if found is not None and isinstance(part, str):
            info = dict(fields(found)).get(part)
            found = nested(info.annotation) if info else None
    return found


def field_at(model: Model, path: tuple[str | int, ...]) -> FieldInfo | None:
    """Return the field that a path inside a model leads to, or that the item at its end is one of."""
    while path and not isinstance(path[-1], str):
        path = path[:-1]
    owner = model_at(model, path[:-1]) if path else None
    return dict(fields(owner)).get(str(path[-1])) if owner else None


def described(model: Model) -> dict[str, str]:
    """Return what the docstrings under a model's fields say, by key: read from the source, so for schemas only."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found |= _docstrings(owner)
    return {key: found[name] for key, name in _names(model) if name in found}


def _names(model: Model) -> Iterator[tuple[str, str]]:
    return ((info.alias or name, name) for name, info in model.model_fields.items())


def _docstrings(owner: Model) -> dict[str, str]:
    module = ast.parse(inspect.getsource(inspect.getmodule(owner) or owner))
    body = next(n.body for n in ast.walk(module) if isinstance(n, ast.ClassDef) and n.name == owner.__name__)
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found
