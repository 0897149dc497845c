"""The part of Jinja that operators' templates may use: no globals, calls, loops or multiplication.

What is left grows with the template's own length only, so a template can't be made to run or swell for ever.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.enrich.links.language import Refused
from bridge.enrich.links.problem import iso, microseconds, milliseconds, seconds

LONGEST = 4000
"""Characters of a template, and of what it may become."""
OPEN, CLOSE = "\x02", "\x03"
"""What a rendered text marks inserted values with; neither is let into a template or a value."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ALLOWED = (
    nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr,
    nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.CondExpr,
    nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Neg, nodes.Concat, nodes.Keyword,
)  # fmt: skip


class Missing(StrictUndefined):
    """Something the incident doesn't have: false in a condition, and the end of the link when inserted."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]  # the parent's raises, for want of a better answer
        return False


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja for link templates; values come out between OPEN and CLOSE."""

    def __init__(self) -> None:
        super().__init__(undefined=Missing, finalize=_marked, trim_blocks=True, cache_size=0)
        self.globals.clear()
        kept = ("default", "d", "lower", "upper", "trim", "first", "last", "truncate")
        own = {"epoch": seconds, "epoch_ms": milliseconds, "epoch_us": microseconds, "iso": iso}
        self.filters = {n: self.filters[n] for n in kept} | own | {"replace": _replace, "split": _split}

    def getattr(self, obj: object, attribute: str) -> object:
        """Return a label, never a method of the same name: `labels.items` is the label "items"."""
        return self._label(obj, attribute) if isinstance(obj, Mapping) else super().getattr(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        """Return a label or an item; an empty label counts as missing."""
        if isinstance(obj, Mapping):
            return self._label(obj, argument)
        return super().getitem(obj, argument)

    def _label(self, labels: Mapping[object, object], name: object) -> object:
        try:
            return labels[name] or self.undefined(obj=labels, name=str(name))
        except (KeyError, TypeError):
            return self.undefined(obj=labels, name=str(name))

    def check(self, source: str, names: Iterable[str]) -> None:
        """Raise ValueError, saying what to write instead, for a template that can't work."""
        if len(source) > LONGEST or _CONTROL.search(source):
            raise ValueError(f"write at most {LONGEST} characters, without control characters")
        try:
            tree = self.parse(source)
        except TemplateSyntaxError as error:
            raise ValueError(f"line {error.lineno}: {error.message}") from error
        for node in tree.find_all(nodes.Node):
            self._check_node(node)
        for name in sorted(meta.find_undeclared_variables(tree) - set(names)):
            raise ValueError(f'there is no "{name}"{_instead(name, names)}')

    def _check_node(self, node: nodes.Node) -> None:
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            raise ValueError(f"line {node.lineno}: no {word} here; take values, filters and if")  # noqa: TRY004
        if isinstance(node, nodes.Filter) and node.name not in self.filters:
            raise ValueError(f'there is no filter "{node.name}"{_instead(node.name, self.filters)}')
        if isinstance(node, nodes.Getattr) and node.node != nodes.Name("labels", "load"):
            raise ValueError(
                f'only labels have parts, not what ".{node.attr}" stands behind; '
                'a label with a dot in its name is labels["k8s.pod"]'
            )


def _instead(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f'; did you mean "{close[0]}"?' if close else f"; there are: {', '.join(known)}"


def _marked(value: object) -> object:
    """Return a value between marks, so that it can be told from what the operator wrote."""
    if isinstance(value, datetime):
        value = iso(value)
    if not isinstance(value, (str, int, float, Missing)):
        raise Refused("only single values can be inserted: name one, as in labels.pod")
    return OPEN + str(value).replace(OPEN, "").replace(CLOSE, "") + CLOSE


def _replace(text: object, old: str, new: str) -> str:
    if str(text).count(old) * len(new) > LONGEST:
        raise Refused(f"replace would make a text of more than {LONGEST} characters")
    return str(text).replace(old, new)


def _split(text: object, mark: str) -> list[str]:
    return str(text).split(mark)
