"""Operators' templates, in which every inserted value is escaped for the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jinja2 import TemplateError, UndefinedError
from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from bridge.enrich.links.language import Piece, Refused, Target, Value
from bridge.enrich.links.problem import Problem
from bridge.enrich.links.sandbox import CLOSE, LONGEST, OPEN, Sandbox

_TEXTS = (
    "trace_id", "xray_trace_id", "datadog_trace_id", "service", "environment", "severity", "source", "title",
    "fingerprint",
)  # fmt: skip
NAMES = (*_TEXTS, "labels", "start", "end", "fired_at")
"""What a template may insert."""

_INSERTED = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")
_FAILURES = (TemplateError, ValueError, TypeError, LookupError, ArithmeticError)
"""What rendering may raise over an incident's data (Refused is a ValueError): it means that there is no link."""
_SANDBOX = Sandbox()


class Template:
    """A compiled template for one target; raises ValueError, with what to do, when it can't work.

    `names` are further values, beside those of `NAMES`, that `render` is given.
    """

    def __init__(self, source: str, target: Target, *names: str) -> None:
        self.source = source
        self._target = target
        try:
            _SANDBOX.check(source, (*NAMES, *names))
            self._compiled = _SANDBOX.from_string(source)
            for problem in (_FULL, _EMPTY):
                self._rehearse(problem, dict.fromkeys(names, "x"))
        except (RecursionError, SyntaxError) as error:
            raise ValueError("the template is too deeply nested: write fewer brackets and operators") from error
        except _FAILURES as error:
            raise ValueError(f"in the template: {error}") from error

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def __str__(self) -> str:
        return self.source

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        """Let a default show in JSON schemas as the text it was made of."""
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())

    def render(self, problem: Problem, **more: str) -> str | None:
        """Return the text for an incident, or None when something it inserts isn't known or can't stand there."""
        try:
            return self._text(problem, more) or None
        except _FAILURES:
            return None

    def _text(self, problem: Problem, more: Mapping[str, str]) -> str:
        parts: list[str] = []
        room = LONGEST
        for part in self._compiled.generate(_known(problem), **more):
            parts.append(part)
            room -= len(part)
            if room < 0:
                raise Refused(f"it becomes longer than {LONGEST} characters: shorten it")
        return self._target.join(_pieces("".join(parts)))

    def _rehearse(self, problem: Problem, more: Mapping[str, str]) -> None:
        """Find now what would otherwise be found at the first incident; that something is missing is no fault."""
        try:
            self._text(problem, more)
        except UndefinedError:
            return


def _pieces(text: str) -> Iterator[Piece]:
    for index, part in enumerate(_INSERTED.split(text)):
        yield Value(part) if index % 2 else Piece(part)


def _known(problem: Problem) -> dict[str, object]:
    """Return what is known of an incident; names that are left out count as missing."""
    texts = {name: text for name in _TEXTS if (text := getattr(problem, name))}
    times = {"start": problem.start, "end": problem.end, "fired_at": problem.fired_at}
    return {**texts, **times, "labels": problem.labels}


@dataclass(frozen=True)
class Written:
    """Marks an option as a template written in a target's language: `Annotated[Template, Written(LOGQL)]`.

    In the YAML and its JSON schema it is a plain string.
    """

    target: Target
    names: tuple[str, ...] = ()

    def read(self, value: object) -> Template:
        """Return the compiled template; raise ValueError when it isn't one."""
        if isinstance(value, Template):
            return value
        if not isinstance(value, str):
            raise ValueError("write a text")  # noqa: TRY004 - pydantic collects ValueErrors
        return Template(value, self.target, *self.names)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read, serialization=core_schema.to_string_ser_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "maxLength": LONGEST}


class _AnyLabel(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"


def _rehearsal(text: str, trace_id: str, labels: Mapping[str, str]) -> Problem:
    at = datetime(2025, 10, 9, tzinfo=UTC)
    return Problem(
        trace_id=trace_id,
        service=text,
        environment=text,
        severity="error",
        source="x",
        title="x",
        fingerprint="0" * 24,
        labels=labels,
        start=at,
        end=at + timedelta(minutes=30),
        fired_at=at,
    )


_FULL = _rehearsal("x", "4bf92f3577b34da6a3ce929d0e0e4736", _AnyLabel())
_EMPTY = _rehearsal("", "", {})
