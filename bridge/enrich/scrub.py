"""Take secrets and personal data out of an alert before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote, unquote, unquote_plus

import msgspec
import re2

from bridge.domain.alert import Alert, Link
from bridge.enrich.keys import SecretKeys, fold
from bridge.enrich.shapes import Shapes, Span, shapes

T = TypeVar("T")
REDACTED = "[redacted]"
PASSES = 5
"""A text is cleaned until nothing more is found, at most so often."""
DEPTH_LIMIT = 32

_MARKER = re.compile(r"\[redacted(?: [a-z ]{1,16})?\]|\[Filtered\]|\*+")
_TRAILING = ")}]>.:!?"
_INNOCENT = frozenset(
    {
        "null", "none", "nil", "true", "false", "undefined", "missing", "invalid", "expired", "required", "empty",
        "unexpected", "not", "is", "was", "has", "too", "failed", "denied", "revoked", "ok", "unknown",
    }
)  # fmt: skip
"""Words that say something about a secret: "token: expired"."""
# Every alternative reads on, or at most 1,000 characters ahead: the time stays linear, whatever the text.
_VALUE = re.compile(
    r"""
    \\+(?P<quote>["'])(?P<escaped>(?:[^\\\n]+|\\+(?!\\|(?P=quote)))*)(?:\\+(?P=quote)|$)
  | [bru]{0,2}"(?P<double>(?:[^"\\\n]|\\.)*)
  | [bru]{0,2}'(?P<single>(?:[^'\\\n]|\\.)*)
  | (?P<group>(?:\[[^\]\n]{0,1000}\]|\{[^}\n]{0,1000}\})(?:[^\s"',;&<]|<(?!/))*)
  | (?P<bare>(?:(?:bearer|basic|digest|negotiate|token|apikey)[ \t]+)?(?:[^\s"',;&<]|<(?!/))+)
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_TEXTS = ("title", "summary", "details", "service", "environment")
_COOKIES = re.compile(r"""(?:;[ \t]*[^\s;,"']+)*""")
_KEY_BEFORE = re.compile(r"[\w.\-]*$")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)([^/?#]*@)?([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_PARAMETERS = re.compile(r"([?&#])")


class ScrubOptions(Shapes):
    """What is taken out: the values of secret keys, and what has the shape of a secret."""

    keys: tuple[str, ...] = ()
    """More names whose values are secret; as written, or as the end of a longer name."""
    allow_keys: tuple[str, ...] = ()
    """Names that are never secret, though they would look so: `secret`, when it is the name of a Kubernetes Secret."""


class Scrubber:
    """Cleans alerts and texts by one set of options; stateless, so one serves every thread."""

    def __init__(self, options: ScrubOptions) -> None:
        self._userinfo = options.url_userinfo
        self._keys = SecretKeys(options.keys, options.allow_keys)
        names = self._keys.pattern
        separator = r"\\*[\"']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}|>"
        pairs = rf"(?i)(--[\w\-]*(?:{names})[\w\-]*)[ \t]+|((?:{names})[\w.\-]*)(?:{separator})"
        self._pairs = re2.compile(pairs)
        every = shapes(options)
        self._shapes = tuple((f"[redacted {s.word}]" if s.word else REDACTED, s.compiled()) for s in every)
        self._hint = re2.compile("(?i)" + "|".join([*(f"(?:{s.hint})" for s in every), pairs.removeprefix("(?i)")]))

    def scrub(self, alert: Alert) -> Alert:
        """Return the alert without secrets in its texts, labels, facts and links, and with what was taken out counted.

        Fingerprint, event id and trace id stay as they are. Scrubbing twice gives the same as scrubbing once.
        """
        if not self._hint.search(_everything(alert)):
            return alert
        count = _Count()
        cleaned = {name: count(self.scrub_text(getattr(alert, name))) for name in _TEXTS}
        links = tuple(Link(count(self.scrub_text(link.label)), count(self.scrub_url(link.url))) for link in alert.links)
        labels = {key: count(self.scrub_value(key, value)) for key, value in alert.labels.items()}
        facts = {key: count(self.scrub_value(key, value)) for key, value in alert.facts.items()}
        url = count(self.scrub_url(alert.url))
        if not count.total:
            return alert
        redactions = alert.redactions + count.total
        return msgspec.structs.replace(
            alert, **cleaned, url=url, labels=labels, facts=facts, links=links, redactions=redactions
        )

    def innocent(self, alerts: Iterable[Alert]) -> bool:
        """Return whether nothing in any of the alerts hints at what is to be taken out: one search for all of them."""
        return not self._hint.search("\n".join(map(_everything, alerts)))

    def scrub_text(self, text: str) -> tuple[str, int]:
        """Return a text without secrets, and how many were taken out."""
        if not text or not self._hint.search(text):
            return text, 0
        total = 0
        for _ in range(PASSES):
            text, found = self._pass(text)
            total += found
            if not found:
                break
        return text, total

    def scrub_value(self, key: str, value: str) -> tuple[str, int]:
        """Return the value of a label or fact without secrets: nothing of it stays if its key is secret."""
        if not value or not self._hint.search(f"{key}={value}"):
            return value, 0
        if key in self._keys:
            return (value, 0) if _MARKER.fullmatch(value) else (REDACTED, 1)
        return self.scrub_text(value)

    def scrub_url(self, url: str) -> tuple[str, int]:
        """Return an address that can still be opened: without userinfo, secret parameters and what else is secret."""
        if not url or not self._hint.search(_readable(url)):
            return url, 0
        match = _URL.fullmatch(url)
        if not match:
            return self.scrub_text(url)
        scheme, userinfo, host, path, rest = match.groups("")
        count = _Count()
        if userinfo and self._userinfo:
            userinfo, count.total = "", 1
        path = count(self._path(host, path))
        parts = [count(self._parameter(part)) for part in _PARAMETERS.split(rest)]
        return scheme + userinfo + host + path + "".join(parts), count.total

    def _path(self, host: str, path: str) -> tuple[str, int]:
        known = "hooks.slack.com" if host == "hooks.slack.com" else ""
        cleaned, found = self.scrub_text(known + unquote(path))
        return (quote(cleaned.removeprefix(known), safe="/:@!$&'()*+,;=~") if found else path), found

    def _parameter(self, part: str) -> tuple[str, int]:
        key, equals, value = part.partition("=")
        cleaned, found = self.scrub_value(unquote_plus(key), unquote_plus(value)) if equals else (part, 0)
        if not equals:
            cleaned, found = self.scrub_text(unquote_plus(part))
        if not found:
            return part, 0
        return (f"{key}={quote(cleaned)}" if equals else quote(cleaned)), found

    def scrub_json(self, value: object, depth: int = 0) -> tuple[object, int]:
        """Return decoded JSON without secrets, and how many were taken out; below 32 levels it is cut off."""
        if isinstance(value, str):
            return self.scrub_text(value)
        if not isinstance(value, (dict, list)):
            return self._number(value) if isinstance(value, int) else (value, 0)
        if depth >= DEPTH_LIMIT:
            return "[too deep]", 0
        count = _Count()
        if isinstance(value, list):
            return [count(self.scrub_json(item, depth + 1)) for item in value], count.total
        return {str(key): count(self._member(str(key), item, depth)) for key, item in value.items()}, count.total

    def _number(self, value: int) -> tuple[object, int]:
        cleaned, found = self.scrub_text(str(value))
        return (cleaned if found else value), found

    def _member(self, key: str, item: object, depth: int) -> tuple[object, int]:
        if isinstance(item, str):
            return self.scrub_value(key, item)
        if key in self._keys and item and item is not True:
            return REDACTED, 1
        return self.scrub_json(item, depth + 1)

    def scrub_body(self, body: bytes) -> tuple[str, int]:
        """Return a request's body as a text that may be kept: as JSON where it is JSON, else as text."""
        try:
            cleaned, found = self.scrub_json(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.scrub_text(body.decode("utf-8", "replace"))
        return msgspec.json.encode(cleaned).decode(), found

    def _pass(self, text: str) -> tuple[str, int]:
        text, total = _cut(text, self._secret_values(text), REDACTED)
        for marker, search in self._shapes:
            text, found = _cut(text, search(text), marker)
            total += found
        return text, total

    def _secret_values(self, text: str) -> Iterator[Span]:
        """Yield the values of `key=value`, `"key": "value"`, `--key value` and `<key>value<`, if the key is secret."""
        done = 0
        for match in self._pairs.finditer(text):
            key = self._key(text, match)
            if match.start() < done or not key or key not in self._keys:
                continue
            span = _value(text, match.end(), fold(key))
            if span:
                done = span[1]
                yield span

    @staticmethod
    def _key(text: str, match: re.Match[str]) -> str:
        if match[1]:
            return match[1].lstrip("-")
        before = _KEY_BEFORE.search(text, max(0, match.start() - 64), match.start())
        start = before.start() if before else match.start()
        closes_tag = text[match.end() - 1] == ">" and text[match.end() - 2] != "="
        return "" if closes_tag and text[start - 1 : start] != "<" else text[start : match.end(2)]


class _Count:
    """Adds up what was taken out while values pass through."""

    def __init__(self, total: int = 0) -> None:
        self.total = total

    def __call__(self, cleaned: tuple[T, int]) -> T:
        self.total += cleaned[1]
        return cleaned[0]


def _everything(alert: Alert) -> str:
    """Return all that is scrubbed as one text, so that an alert with nothing to hide costs one search."""
    lines = [alert.title, alert.summary, alert.details, alert.service, alert.environment]
    lines += map("=".join, alert.labels.items())
    lines += map("=".join, alert.facts.items())
    for link in alert.links:
        lines += link.label, _readable(link.url)
    lines.append(_readable(alert.url))
    return "\n".join(lines)


def _readable(url: str) -> str:
    return _unquoted(url) if "%" in url or "+" in url else url


@lru_cache(1000)  # a rule's graph and a team's runbook come with each of their alerts
def _unquoted(url: str) -> str:
    return unquote_plus(url)


def _value(text: str, at: int, key: str) -> Span | None:
    """Return where the value that begins here stands, without its quotes; None if there is nothing to take out."""
    match = _VALUE.match(text, at)
    if not match or not match.lastgroup:
        return None
    start, end = match.span(match.lastgroup)
    value = text[start:end]
    marker = _MARKER.match(value)
    if not value or (marker and not value[marker.end() :].strip(_TRAILING)):
        return None
    if match.lastgroup != "bare":
        return start, end
    bare = value.rstrip(_TRAILING)
    if not bare or bare.lower() in _INNOCENT:
        return None
    more = _COOKIES.match(text, end) if key.endswith(("cookie", "cookies")) else None
    return start, (more.end() if more and more.end() > end else start + len(bare))


def _cut(text: str, spans: Iterable[Span], marker: str) -> tuple[str, int]:
    """Return the text with each span replaced by the marker, and how many there were."""
    parts: list[str] = []
    done = 0
    for start, end in spans:
        parts += text[done:start], marker
        done = end
    return ("".join([*parts, text[done:]]), len(parts) // 2) if parts else (text, 0)
