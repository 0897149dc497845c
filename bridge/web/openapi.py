"""The HTTP API as an OpenAPI 3.1 document: `python -m bridge.web.openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from typing import TypeAlias

from bridge import __version__

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool"

_STORE_DOWN = "The store does not answer: come again."
_NO_TOKEN = "No or wrong token."  # noqa: S105 - a sentence
_NOT_THERE = "There is none of this name."
_RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def document() -> dict[str, Json]:
    """Return the document; a test holds it to the routes of the receiver."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alert bridge",
            "version": __version__,
            "summary": "Where senders post their webhooks, and what programs may ask.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _hooks() | _pings() | _pages() | _api(),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "receiver.api_token of the config"}
            },
            "schemas": {
                "Error": _object({"error": {"type": "string"}}),
                "Accepted": _object({"accepted": {"type": "integer", "minimum": 0}}),
                "Passed": {
                    "type": "object",
                    "properties": {"ignored": {"type": "string"}, "confirmed": {"type": "string"}},
                    "minProperties": 1,
                },
            },
        },
    }


def _hooks() -> dict[str, Json]:
    """Return the two ways to post a webhook; how it is proven is each source's own matter."""
    return {
        "/hooks/{source}": {"post": _hook("receive", "source")},
        "/hooks/{source}/{path_secret}": {"post": _hook("receiveAtSecretPath", "source", "path_secret")},
    }


def _hook(name: str, *parameters: str) -> dict[str, Json]:
    return {
        "operationId": name,
        "summary": "Post a webhook of Sentry, Alertmanager or SNS, as it sends it.",
        "parameters": [_parameter(parameter) for parameter in parameters],
        "requestBody": {
            "required": True,
            "description": "The sender's own body; at most receiver.max_body bytes, gzipped or not.",
            "content": {"application/json": {}, "text/plain": {}},
        },
        "responses": {
            "200": _answer("An event that says nothing of a problem, or a subscription that was confirmed.", "Passed"),
            "202": _answer("Kept: it will arrive.", "Accepted"),
            "400": _answer("Proven or not, the body is broken; a proven one is kept as a dead letter.", "Error"),
            "401": _answer("The request does not prove its sender.", "Error"),
            "404": _nowhere("No source of this name is configured."),
            "413": _answer("The body is too large.", "Error"),
            "503": _later("It can be kept, or proven, nowhere right now."),
        },
    }


def _pings() -> dict[str, Json]:
    """Return the ways to ping; HEAD is as GET."""
    return {
        "/ping/{key}": {"get": _ping("ping", "key"), "post": _ping("pingWithBody", "key")},
        "/ping/{key}/{what}": {
            "get": _ping("pingThat", "key", "what"),
            "post": _ping("pingThatWithBody", "key", "what"),
        },
    }


def _ping(name: str, *parameters: str) -> dict[str, Json]:
    uuid: Json = {
        "name": "rid",
        "in": "query",
        "description": "Pairs a start with its end.",
        "schema": {"type": "string"},
    }
    body: dict[str, Json] = {
        "requestBody": {"description": "Anything; 10,000 characters are kept.", "content": {"text/plain": {}}}
    }
    answers: dict[str, Json] = {
        "200": _text("OK"),
        "400": _text("What follows the key is not start, fail, log or an exit status, or rid is no UUID."),
        "404": _text("There is no heartbeat with this key."),
        "503": _text("It can be kept nowhere right now: come again.") | {"headers": _RETRY_AFTER},
    }
    summary = "A sign of life of a heartbeat: success, start, fail, log, or an exit status."
    whose: list[Json] = [*map(_parameter, parameters), uuid]
    operation = _operation(name, summary, answers) | {"parameters": whose}
    return operation | (body if name.endswith("Body") else {})


def _pages() -> dict[str, Json]:
    ready: Json = {"name": "full", "in": "query", "allowEmptyValue": True, "schema": {"type": "string"}}
    return {
        "/healthz": {"get": _operation("alive", "The process lives.", {"200": _text("ok")})},
        "/readyz": {
            "get": _operation(
                "ready",
                "The store takes writes; `?full` says how durable they are, and how full everything is.",
                {"200": _answer("Ready."), "503": _answer("Not ready; `why` says why.")},
            )
            | {"parameters": [ready]}
        },
        "/metrics": {
            "get": _operation("metrics", "Metrics for Prometheus.", {"200": _text("Its text format, 0.0.4.")})
        },
    }


def _api() -> dict[str, Json]:
    paging: list[Json] = [
        {"name": "all", "in": "query", "description": "1 or true: resolved ones too", "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
    ]
    limits: dict[str, Json] = {"400": _answer("limit is no number from 1 to 1000.", "Error")}
    missing: dict[str, Json] = {"404": _nowhere(_NOT_THERE)}
    busy: dict[str, Json] = {"409": _answer("It can't be begun; `said` says why.")}
    return {
        "/api/incidents": {
            "get": _asked("incidents", "Open incidents, newest first.", limits) | {"parameters": paging}
        },
        "/api/incidents/{id}": {"get": _named("incident", "One incident, and what was told of it.", "id", missing)},
        "/api/incidents/{id}/why": {"get": _named("why", "Every decision about an incident.", "id", missing)},
        "/api/dead-letters": {"get": _asked("deadLetters", "What needs a person.", {})},
        "/api/dead-letters/{name}": {
            "get": _named("deadLetter", "One dead letter, with what it is about.", "name", missing),
            "delete": _named("drop", "Forget a dead letter.", "name", missing | busy),
        },
        "/api/dead-letters/{name}/replay": {
            "post": _named("replay", "Try a dead letter again.", "name", missing | busy),
        },
    }


def _named(name: str, summary: str, parameter: str, more: dict[str, Json]) -> dict[str, Json]:
    return _asked(name, summary, more) | {"parameters": [_parameter(parameter)]}


def _asked(name: str, summary: str, more: dict[str, Json]) -> dict[str, Json]:
    answers: dict[str, Json] = {
        "200": _answer("The answer."),
        "401": _answer(_NO_TOKEN, "Error"),
        "503": _later(_STORE_DOWN),
    }
    return _operation(name, summary, answers | more) | {"security": [{"token": []}]}


def _operation(name: str, summary: str, answers: dict[str, Json]) -> dict[str, Json]:
    return {"operationId": name, "summary": summary, "responses": dict(sorted(answers.items()))}


def _parameter(name: str) -> dict[str, Json]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _answer(description: str, schema: str = "") -> dict[str, Json]:
    content: Json = {"schema": {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "object"}}
    return {"description": description, "content": {"application/json": content}}


def _nowhere(description: str) -> dict[str, Json]:
    """Return a 404: in JSON where the path could name something, in plain text where it could not."""
    named: Json = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {"description": description, "content": {"application/json": named, "text/plain": {}}}


def _later(description: str) -> dict[str, Json]:
    return _answer(description, "Error") | {"headers": _RETRY_AFTER}


def _text(description: str) -> dict[str, Json]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def text() -> str:
    """Return the document as it is published."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
