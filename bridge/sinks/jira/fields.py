"""Extra fields of a Jira issue: JSON from the config in which strings may hold `{{ templates }}`.

Of Jinja they have values, filters and `if`, but no calls, loops, multiplication or formatting: what is left grows with
the template's own length only, so a template can't be made to run or swell for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from jinja2 import TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from bridge.domain.incident import Incident
from bridge.sinks.jira.text import escape, plain

Json: TypeAlias = JsonValue
TEMPLATE_LIMIT = 4_000
VALUE_LIMIT = 30_000
_NAMES = ("title", "summary", "details", "service", "environment", "severity", "source", "url", "trace_id", "count")
_KEPT = ("default", "d", "lower", "upper", "trim", "first", "last", "truncate")
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not,
    nodes.Add, nodes.Sub, nodes.Neg, nodes.Concat, nodes.Keyword,
)  # fmt: skip


class _Sandbox(ImmutableSandboxedEnvironment):
    def __init__(self) -> None:
        super().__init__(autoescape=False, cache_size=0)
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in _KEPT} | {"wiki": escape, "line": plain}

    def getattr(self, obj: object, attribute: str) -> object:
        """Return a label, never a method of the same name: `labels.items` is the label "items"."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


_SANDBOX = _Sandbox()


def check(value: Json) -> None:
    """Raise ValueError, naming the mistake, if a template in the value can't work."""
    for text in _strings(value):
        try:
            _check(text)
        except TemplateError as error:
            raise ValueError(f'"{text}" is not a template: {error}') from None
        except RecursionError:
            raise ValueError("a template is too deeply nested: write fewer brackets and operators") from None


def _check(text: str) -> None:
    if "{" not in text:
        return
    if len(text) > TEMPLATE_LIMIT:
        raise ValueError(f"a template is longer than {TEMPLATE_LIMIT} characters: shorten it")
    for node in _SANDBOX.parse(text).find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            raise ValueError(f'"{text}" is not a template: no {word} here; take values, filters and if')  # noqa: TRY004
        if isinstance(node, nodes.Filter) and node.name not in _SANDBOX.filters:
            known = ", ".join(_SANDBOX.filters)
            raise ValueError(f'"{text}" is not a template: there is no filter "{node.name}"; there are: {known}')
    _SANDBOX.from_string(text)


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
    parts: list[str] = []
    room = VALUE_LIMIT
    try:
        for part in _SANDBOX.from_string(template).generate(known):
            parts.append(part[:room])
            room -= len(parts[-1])
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise ValueError(f'the template "{template}" can\'t be filled in: {error}') from None
    return "".join(parts)


def _strings(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in _strings(item)]
