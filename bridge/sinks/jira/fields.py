"""Extra fields of a Jira issue: JSON from the config in which strings may hold `{{ templates }}`."""

from __future__ import annotations

from typing import TypeAlias

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from bridge.domain.incident import Incident
from bridge.sinks.jira.text import escape, plain

Json: TypeAlias = JsonValue
VALUE_LIMIT = 30_000
_ENVIRONMENT = ImmutableSandboxedEnvironment(autoescape=False)
_ENVIRONMENT.filters = {**_ENVIRONMENT.filters, "wiki": escape, "line": plain}
_NAMES = ("title", "summary", "details", "service", "environment", "severity", "source", "url", "trace_id", "count")


def check(value: Json) -> None:
    """Raise ValueError, naming the mistake, if a template in the value can't be compiled."""
    for text in _strings(value):
        try:
            _ENVIRONMENT.from_string(text)
        except TemplateError as error:
            raise ValueError(f'"{text}" is not a template: {error}') from None


def render(value: Json, incident: Incident) -> Json:
    """Return the value with every template in it filled in from an incident.

    Known in templates: title, summary, details, service, environment, severity, source, url, trace_id, count,
    labels, facts; what is missing is empty. Raises ValueError when a template can't be filled in.
    """
    if isinstance(value, str):
        return _text(value, incident)
    if isinstance(value, list):
        return [render(item, incident) for item in value]
    if isinstance(value, dict):
        return {name: render(item, incident) for name, item in value.items()}
    return value


def _text(template: str, incident: Incident) -> str:
    if "{" not in template:
        return template
    known = {name: getattr(incident, name) for name in _NAMES}
    known |= {"labels": incident.labels, "facts": incident.facts, "id": incident.id}
    try:
        return _ENVIRONMENT.from_string(template).render(known)[:VALUE_LIMIT]
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise ValueError(f'the template "{template}" can\'t be filled in: {error}') from None


def _strings(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in _strings(item)]
