"""Matchers over labels, in Alertmanager's syntax."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import re2

RESERVED = "{}!=~,\\\"'`"
"""What unquoted names and values can't hold, besides white space (as in Alertmanager 0.27 and later)."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\{) | (?P<close>\}) | (?P<comma>,) |
        (?P<operator>=~|!=|!~|=) |
        (?P<quoted>"(?:[^"\\]|\\.)*") |
        (?P<unquoted>[^\s{}!=~,\\"'`]+) |
        (?P<end>\Z) |
        (?P<wrong>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_NAME = re.compile(r"[^\s{}!=~,\\\"'`]+")
_ESCAPE = re.compile(r'\\(?:(["\\nrt])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_UNESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LITERALS = re.compile(r"[\w /:@%&;#<>-]*(?:\|[\w /:@%&;#<>-]*)*")
"""Patterns that are nothing but a choice of words: a set answers them ten times faster than an engine."""


class Op(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True)
class Matcher:
    """One condition on one label; a label that is missing is the empty text.

    Regular expressions are RE2's, answer in linear time, and have to fit the whole value. Raises ValueError for
    one that RE2 does not take.
    """

    name: str
    op: Op
    value: str
    _holds: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_holds", _test(self.op, self.value))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the condition holds."""
        return self._holds(labels.get(self.name, ""))

    def __str__(self) -> str:
        name = self.name if _PLAIN_NAME.fullmatch(self.name) else _quote(self.name)
        return f"{name}{self.op}{_quote(self.value)}"


def _test(op: Op, value: str) -> Callable[[str], bool]:
    if op is Op.EQUAL:
        return lambda text: text == value
    if op is Op.NOT_EQUAL:
        return lambda text: text != value
    fits = _fits(value)
    return fits if op is Op.MATCHES else lambda text: not fits(text)


def _fits(pattern: str) -> Callable[[str], bool]:
    if _LITERALS.fullmatch(pattern):
        return frozenset(pattern.split("|")).__contains__
    options = re2.Options()
    options.log_errors = False  # or the library writes to stderr by itself
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if error.args else "unknown"
        raise ValueError(
            f'"{pattern}" is not a regular expression that RE2 takes ({why}): see github.com/google/re2/wiki/Syntax;'
            " RE2 has no look-around and no back-references"
        ) from error
    return lambda text: compiled.fullmatch(text) is not None


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of `severity=~"critical|error", service!="x"`, with or without braces around them.

    The syntax of Alertmanager's newer parser: names and values are quoted, or hold no white space and nothing of
    `{}!=~,\\"'` and the backtick. In quotes \\" \\\\ \\n \\r \\t \\uXXXX and \\UXXXXXXXX are escapes; any other
    backslash stands for itself, so `\\d` need not be doubled. Raises ValueError with the position, from 1.
    """
    return _Parser(text).matchers()


def _quote(text: str) -> str:
    return '"' + "".join(_UNESCAPED.get(char, char) for char in text) + '"'


def _unquote(quoted: str) -> str:
    return _ESCAPE.sub(_unescape, quoted[1:-1])


def _unescape(found: re.Match[str]) -> str:
    if short := found[1]:
        return _ESCAPED.get(short, short)
    point = int(found[2] or found[3], 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        raise ValueError(f"{found[0]} is no Unicode character: write the character itself")
    return chr(point)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._advance()

    def matchers(self) -> tuple[Matcher, ...]:
        braced = self._accept("open")
        found: list[Matcher] = []
        while self._kind in ("quoted", "unquoted") or (not found and self._kind not in ("close", "end")):
            found.append(self._matcher())
            if not self._accept("comma"):
                break
        if braced and not self._accept("close"):
            raise self._expected("a comma, or } at the end")
        if self._kind != "end":
            raise self._expected("a comma before the next matcher" if found else "a matcher such as severity=critical")
        return tuple(found)

    def _matcher(self) -> Matcher:
        name = self._word("the name of a label")
        if not name:
            raise ValueError(f'"" is no name of a label: write one before the operator in {self._text}')
        operator = self._expect("an operator (=, !=, =~ or !~)", "operator")
        at = self._start
        value = self._word("a value, in double quotes if it holds spaces or any of " + RESERVED)
        try:
            return Matcher(name, Op(operator), value)
        except ValueError as error:
            raise ValueError(f"{error} (position {at + 1} of {self._text})") from error

    def _word(self, what: str) -> str:
        quoted = self._kind == "quoted"
        start = self._start
        word = self._expect(what, "quoted", "unquoted")
        try:
            return _unquote(word) if quoted else word
        except ValueError as error:
            raise ValueError(f"{error} (position {start + 1} of {self._text})") from error

    def _accept(self, kind: str) -> bool:
        accepted = self._kind == kind
        if accepted:
            self._advance()
        return accepted

    def _expect(self, what: str, *kinds: str) -> str:
        if self._kind not in kinds:
            raise self._expected(what)
        token = self._read
        self._advance()
        return token

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._at)
        assert found is not None  # noqa: S101 - the last alternative takes anything
        self._kind = found.lastgroup or ""
        self._read = found[self._kind]
        self._start, self._at = found.span(self._kind)

    def _expected(self, what: str) -> ValueError:
        if self._kind == "end":
            found = "the text ends"
        elif self._kind == "wrong" and self._read == '"':
            found, what = "one opens that is never closed", "a second double quote"
        else:
            found = f"there is {self._read}"
        return ValueError(f"expected {what}, but {found} at position {self._start + 1} of {self._text}")
