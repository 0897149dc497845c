"""Text from outside, made safe for Slack's mrkdwn and cut so that its escaped form fits."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from bridge.sinks.address import web_link

URL_LIMIT = 3000
"""Longest address a button takes (Block Kit's `button.url`)."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DROPPED = frozenset({"Cc", "Cn", "Co"})
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~-._"


def clean(text: str) -> str:
    """Return the text without control and bidirectional characters, and with no "```" that could open a code block.

    Line ends become "\\n", surrogates "�".
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    if not (text.isascii() and text.isprintable()):
        text = "".join(_kept(char) for char in text)
    return text.replace("```", "ˋˋˋ")


def _kept(char: str) -> str:
    if char in "\n\t":
        return char
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    return "" if category in _DROPPED or char in _BIDI else char


def one_line(text: str) -> str:
    """Return the cleaned text with every run of white space as one blank."""
    return " ".join(clean(text).split())


def escape(text: str) -> str:
    """Return the text with `&`, `<` and `>` escaped: no mention, link or date can come out of it.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def units(text: str) -> int:
    """Return the length in UTF-16 units: Slack does not say what it counts, and this is never less."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(text: str, limit: int) -> str:
    """Return the escaped text, the raw one cut with "…" where the escaped one would exceed `limit` units."""
    escaped = escape(text)
    if units(escaped) <= limit:
        return escaped
    room = limit - 1
    for index, char in enumerate(text):
        room -= units(_ESCAPES.get(char, char))
        if room < 0:
            return escape(text[:index].rstrip(" \n\t\u200d")) + "…"
    return escaped


def code(text: str, limit: int) -> str:
    """Return a code block of at most `limit` units; backticks, which would end it, become "ˋ"."""
    fence = "```"
    body = fit(clean(text).strip("\n").replace("`", "ˋ"), limit - 2 * len(fence) - 2)
    return f"{fence}\n{body}\n{fence}"


def web_address(url: str) -> str:
    """Return the address as it may stand in a button or link, or "" when it is not http(s) or too long."""
    quoted = quote(one_line(web_link(url).replace("`", "%60")), safe=_URL_SAFE)
    return quoted if len(quoted) <= URL_LIMIT else ""


def link(label: str, address: str) -> str:
    """Return a mrkdwn link; `label` is escaped already, `address` comes from `web_address`."""
    return f"<{escape(address)}|{label.replace('|', '¦')}>"
