"""A JSON schema of the config, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from bridge.settings.checks import DEFAULT_KIND, PlanOptions
from bridge.settings.fields import FILE, Model, described, fields, nested, secrets
from bridge.settings.heartbeats import HeartbeatOptions, LivenessOptions
from bridge.settings.names import NAME, WORD
from bridge.settings.options import format_duration
from bridge.settings.recovery import GuardOptions
from bridge.settings.sections import General, Kinds, RouteOptions, ThresholdOptions

Json = dict[str, Any]
TITLE = "Config of the alert bridge"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
_TYPED = ("integer", "number", "boolean")


def schema(kinds: Kinds) -> Json:
    """Return the JSON schema (draft 2020-12) of a config with these kinds.

    It is a little wider than the loader: any value may be a variable, and names of destinations aren't compared.
    """
    definitions: Json = {}
    top = _object(General, definitions)
    top["properties"] = {key: _or_empty(option) for key, option in top["properties"].items()}
    top["properties"] |= {
        "sources": _or_nothing(_named(_entry("source", kinds.sources, definitions, LivenessOptions))),
        "destinations": _named(_entry("destination", kinds.destinations, definitions, ThresholdOptions)),
        "routes": {"type": ["array", "null"], "items": _object(RouteOptions, definitions)},
        "links": {"type": ["array", "null"], "items": _entry("link", kinds.links, definitions)},
        "heartbeats": _or_nothing(_named(_object(HeartbeatOptions, definitions), WORD)),
        "recovery": _or_nothing(_named(_entry("recovery", kinds.recovery, definitions, GuardOptions))),
        "scrub": {**_object(kinds.scrub, definitions), "type": ["object", "null"]},
        "checks": _or_nothing(_named(_entry("check", kinds.checks, definitions, PlanOptions, DEFAULT_KIND), WORD)),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "title": TITLE,
        "patternProperties": {"^x-": {}},
        "required": ["destinations"],
        "anyOf": [{"required": [section]} for section in ("sources", "checks", "heartbeats")],
        "$defs": dict(sorted(definitions.items())),
    }


def _or_empty(option: Json) -> Json:
    """Return the schema of a section that may also stand there with nothing in it."""
    reference = {"$ref": option.pop("$ref")} if "$ref" in option else None
    return option | ({"anyOf": [reference, {"type": "null"}]} if reference else {})


def _named(entry: Json, name: str = NAME) -> Json:
    names = {"pattern": name}
    return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": entry}


def _or_nothing(section: Json) -> Json:
    """Return the schema of named entries of which there may be none."""
    return {**section, "type": ["object", "null"], "minProperties": 0}


def _entry(
    room: str, known: Mapping[str, Model], definitions: Json, also: Model | None = None, default: str = ""
) -> Json:
    """Return the schema of an entry whose options depend on its kind; the default one need not be written."""
    chosen = []
    for kind, model in known.items():
        name = f"{room}.{kind}"
        definitions[name] = _with_kind(kind, _object(model, definitions), _object(also, definitions) if also else None)
        here = {"properties": {"kind": {"const": kind}}} | ({} if kind == default else {"required": ["kind"]})
        chosen.append({"if": here, "then": {"$ref": f"#/$defs/{name}"}})
    one_of = {"enum": list(known), "description": f"What kind of {room} this is."}
    needed = {"default": default} if default else {}
    required = [] if default else ["kind"]
    return {"type": "object", "required": required, "properties": {"kind": one_of | needed}, "allOf": chosen}


def _with_kind(kind: str, own: Json, also: Json | None) -> Json:
    own["properties"] = {"kind": {"const": kind}, **own["properties"], **(also["properties"] if also else {})}
    return own


def _object(model: Model, definitions: Json) -> Json:
    """Return a model's own schema with `<key>_file` twins and variables; nested models go to the definitions."""
    made = TypeAdapter(model).json_schema(ref_template="#/$defs/{model}")
    inner = made.pop("$defs", {})
    by_name = _models(model)
    for name, definition in inner.items():
        definitions[name] = _opened(definition, by_name.get(name))
    return _opened(made, model)


def _models(model: Model) -> dict[str, Model]:
    found: dict[str, Model] = {}
    for _, info in fields(model):
        if inner := nested(info.annotation):
            found |= {inner.__name__: inner, **_models(inner)}
    return found


def _opened(definition: Json, model: Model | None) -> Json:
    definition.pop("title", None)
    if "enum" in definition:
        return {"anyOf": [definition, _VARIABLE]}
    said = described(model) if model else {}
    if "properties" in definition:
        own = definition["properties"]
        definition["properties"] = {key: _option(option, said.get(key, "")) for key, option in own.items()}
    if model is None:
        return definition
    if model.__doc__:
        definition["description"] = model.__doc__.split("\n\n")[0]
    for key, info in fields(model):
        if isinstance(info.default, timedelta):
            definition["properties"][key]["default"] = format_duration(info.default)
    return _twinned(definition, model)


def _twinned(definition: Json, model: Model) -> Json:
    """Return the definition with a file beside each secret; of a required one, either will do."""
    required = definition.pop("required", [])
    either = []
    for key in secrets(model):
        definition["properties"][key + FILE] = {
            "type": "string",
            "description": f"Path of a file that holds {key}; relative to the config's folder.",
        }
        if key in required:
            either.append({"anyOf": [{"required": [key]}, {"required": [key + FILE]}]})
    rest = [key for key in required if key not in secrets(model)]
    return definition | ({"required": rest} if rest else {}) | ({"allOf": either} if either else {})


def _option(option: Json, said: str) -> Json:
    """Return an option's schema, open for variables where its type would refuse them."""
    option |= {"description": said} if said else {}
    option.pop("title", None)
    aside = {key: option.pop(key) for key in ("description", "default") if key in option}
    if _closed(option):
        option = {"anyOf": [option, _VARIABLE]}
    elif any(_closed(one) for one in option.get("anyOf", ())):
        option["anyOf"].append(_VARIABLE)
    return aside | option


def _closed(option: Json) -> bool:
    return option.get("type") in _TYPED or "enum" in option or "pattern" in option
