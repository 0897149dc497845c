"""The query languages that links carry, and how a value gets into them without breaking out.

Each target joins the pieces of a rendered template: what the operator wrote stands as it is, what was inserted is
escaped for the very place where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from bridge.enrich.links.encoding import percent


class Piece(str):
    """A part of a rendered template that the operator wrote."""

    __slots__ = ()


class Value(Piece):
    """A part of a rendered template that was inserted."""

    __slots__ = ()


class Refused(ValueError):
    """A value can't stand where the template puts it."""


class Target(Protocol):
    """What a template is written in."""

    def join(self, pieces: Iterable[Piece]) -> str:
        """Return the whole text with every value escaped; raise Refused for one that can't be."""
        ...


_PLAIN_WORD = re.compile(r"(?!(?:and|or|not|in|like|by)\Z)[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*", re.IGNORECASE)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_REGEX_AHEAD = re.compile(r"~\s*\Z")
_SLASH_AHEAD = re.compile(r"(?:\blike|=~|[(,\[]|\bparse\s+\S+)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Language:
    """A query language: its quotes and its escapes.

    Values inside quotes come out as the same string. Outside quotes only a plain word is let in: letters,
    digits and `_`, with single `.` or `-` between them, and no operator (`and`, `or`, `not`, `in`, `like`, `by`).
    """

    name: str
    strings: str
    """Quotes in which a backslash escapes."""
    verbatim: str = ""
    """Quotes in which nothing escapes: a value that holds one is refused."""
    regex: bool = False
    """True when a string after `=~`, `!~` or `|~` is a regular expression: values in it match literally."""
    slashes: bool = False
    """True when /…/ is a regular expression."""
    comment: str = ""
    barred: str = ""
    """Marks that may not stand outside quotes, because products differ on what they mean there."""
    control: str = ""
    """Format of a control character inside a string, or empty: it stands as it is (and is encoded for the URL)."""

    def join(self, pieces: Iterable[Piece]) -> str:
        """Return the whole query; raise Refused for a value that can't stand where it is, or an open quote."""
        reader = _Reader(self)
        text = "".join([reader.value(p) if isinstance(p, Value) else reader.written(p) for p in pieces])
        if reader.quote.strip():
            raise Refused(f"a {reader.quote} is not closed in this {self.name} query: add the closing one")
        return text.strip()

    def string(self, text: str, mark: str) -> str:
        """Return the text as it stands between two such marks."""
        text = text.replace("\\", "\\\\").replace(mark, "\\" + mark)
        return "".join(map(self._control, text)) if self.control else text

    def pattern(self, text: str) -> str:
        """Return the regular expression (RE2 and its kin) that matches the text literally."""
        return "".join(_NAMED.get(c) or (self._control(c) if c < " " else _literal(c)) for c in text)

    def _control(self, char: str) -> str:
        if char >= " " and char != "\x7f":
            return char
        return _NAMED.get(char) or (self.control or "\\x{:02x}").format(ord(char))


def _literal(char: str) -> str:
    return char if char.isalnum() or char in "_ " or char > "\x7e" else "\\" + char


class _Reader:
    """Follows a query from its start, so as to know what a value stands in."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.quote = ""
        """The mark that closes what we are in: a quote, "/" of a regex, a newline of a comment."""
        self.regex = False
        self.escaped = False
        self.before = ""

    def written(self, text: str) -> str:
        for char in text:
            self._step(char)
            self.before += char
        return text

    def value(self, text: str) -> str:
        if self.escaped:
            raise Refused("a value can't follow a backslash: write two backslashes for a literal one")
        self.before += "x"
        if not self.quote.strip():
            return self._bare(text)
        return self._verbatim(text) if self.quote in self.language.verbatim else self._string(text)

    def _step(self, char: str) -> None:
        if self.escaped:
            self.escaped = False
        elif char == "\\":
            self.escaped = not self.quote or self.quote not in self.language.verbatim + "\n"
        elif not self.quote:
            self._open(char)
        elif char == self.quote:
            self.quote = ""

    def _open(self, char: str) -> None:
        language = self.language
        if char in language.barred:
            raise Refused(f"a {char} outside quotes is not taken in a {language.name} query: use double quotes")
        if char in language.strings + language.verbatim:
            self.quote = char
            self.regex = language.regex and bool(_REGEX_AHEAD.search(self.before))
        elif char == "/" and language.slashes and _SLASH_AHEAD.search(self.before):
            self.quote, self.regex = char, True
        elif language.comment and (self.before + char).endswith(language.comment):
            self.quote = "\n"

    def _bare(self, text: str) -> str:
        if not _PLAIN_WORD.fullmatch(text):
            raise Refused("a value outside quotes must be a plain word: put quotes round it in the template")
        return text

    def _verbatim(self, text: str) -> str:
        if self.regex:
            text = self.language.pattern(text).replace("\\" + self.quote, f"\\x{ord(self.quote):02x}")
        if self.quote in text or "\r" in text:
            raise Refused(f"a value with {self.quote} can't stand between {self.quote}: use double quotes")
        return text

    def _string(self, text: str) -> str:
        if self.quote == "/":
            return self.language.pattern(text)
        return self.language.string(self.language.pattern(text) if self.regex else text, self.quote)


LOGQL = Language("LogQL", strings='"', verbatim="`", regex=True, comment="#", control="\\x{:02x}")
"""Grafana Loki: strings as in Go. https://grafana.com/docs/loki/latest/query/"""
KQL = Language("KQL", strings='"', control="\\u{:04x}")
"""Kibana Query Language, and OpenSearch's DQL. https://www.elastic.co/guide/en/kibana/current/kuery-query.html"""
INSIGHTS = Language("Logs Insights", strings="\"'", verbatim="`", slashes=True, comment="#")
"""CloudWatch Logs Insights QL. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html"""
FILTER_PATTERN = Language("CloudWatch filter pattern", strings='"', verbatim="%")
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html"""
GCP_FILTER = Language("Logging query", strings='"', regex=True, comment="--", barred="'", control="\\x{:02x}")
"""https://cloud.google.com/logging/docs/view/logging-query-language"""
DATADOG = Language("Datadog", strings='"')
"""https://docs.datadoghq.com/logs/explorer/search_syntax/"""


class _Plain:
    """A name that the address builder encodes as a whole (a log group, a region)."""

    def join(self, pieces: Iterable[Piece]) -> str:
        return "".join(pieces).strip()


class _Address:
    """A whole address: what was written stays an address, every value is percent-encoded completely."""

    _WRITTEN = "!#$%&'()*+,/:;=?@[]"

    def join(self, pieces: Iterable[Piece]) -> str:
        text = "".join([percent(p) if isinstance(p, Value) else self._written(p) for p in pieces])
        if any(part in (".", "..") for part in urlsplit(text).path.split("/")):
            raise Refused("a value of dots only would lead to another page")
        return text

    def _written(self, text: str) -> str:
        return quote(re.sub(r"\s*\n\s*", "", text), safe=self._WRITTEN)


PLAIN: Target = _Plain()
ADDRESS: Target = _Address()
