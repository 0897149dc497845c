"""What has to be in the body of an answer."""

from __future__ import annotations

import codecs

import msgspec

from bridge.checks.http_options import HttpOptions, compiled
from bridge.checks.json_path import Json, parse_path, same, value_at

CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-16", "latin-1", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252", "koi8-r"),
        *("euc-kr", "cp949", "euc-jp", "shift_jis", "iso-2022-jp", "gb2312", "gbk", "gb18030", "big5"),
    )
)
"""How a body may be decoded: Python knows more, some of which are no encodings of text."""


def decoded(body: bytes, content_type: str) -> str:
    """Return a body as text, by the charset of its content type; what can't be decoded becomes "�"."""
    charset = content_type.lower().partition("charset=")[2].split(";")[0].strip(" \t\"'")
    try:
        name = codecs.lookup(charset).name if charset else "utf-8"
    except (LookupError, ValueError):
        name = "utf-8"
    return body.decode(name if name in CHARSETS else "utf-8", "replace")


class Conditions:
    """The conditions of one check on a body."""

    def __init__(self, options: HttpOptions) -> None:
        self._contains = options.contains
        self._lacks = options.not_contains
        self._pattern = compiled(options.matches) if options.matches else None
        self._matches = options.matches or ""
        self._json = [(text, parse_path(text), value) for text, value in options.json_.items()]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._contains or self._lacks or self._pattern or self._json)

    def expected(self) -> list[str]:
        """Return the conditions in words."""
        words = [f'body contains "{self._contains}"'] if self._contains else []
        words += [f'body does not contain "{self._lacks}"'] if self._lacks else []
        words += [f"body matches {self._matches}"] if self._pattern else []
        return words + [f"{path} is {_written(value)}" for path, _, value in self._json]

    def trouble(self, body: bytes, text: str) -> str:
        """Return in words which condition does not hold, or ""."""
        if self._contains and self._contains not in text:
            return f'the body does not contain "{self._contains}"'
        if self._lacks and self._lacks in text:
            return f'the body contains "{self._lacks}"'
        if self._pattern and not self._pattern.search(text):
            return f"the body does not match {self._matches}"
        return self._json_trouble(body) if self._json else ""

    def _json_trouble(self, body: bytes) -> str:
        try:
            document: Json = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return "the body is no JSON"
        for text, path, value in self._json:
            try:
                came = value_at(document, path)
            except LookupError as missing:
                return f"{text}: {missing.args[0]}"
            if not same(came, value):
                return f"{text} is {_written(came)}"
        return ""


def _written(value: Json) -> str:
    return msgspec.json.encode(value).decode("utf-8", "replace")
