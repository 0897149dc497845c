"""Slack's JSON as HTML, roughly as Slack shows it: what the bridge sends, so that a person can look at it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

Json = Mapping[str, Any]

_TOKEN = re.compile(
    r"```(?P<pre>.*?)```|`(?P<code>[^`\n]+)`|<(?P<url>https?://[^|>]+)(?:\|(?P<label>[^>]*))?>"
    r"|<(?P<special>[!@#][^>]*)>|(?<!\w)\*(?=\S)(?P<bold>[^*\n]+)(?<=\S)\*(?!\w)|(?<!\w)_(?P<italic>[^_\n]+)_(?!\w)|(?P<newline>\n)",
    re.DOTALL,
)
_EMOJI = {
    "red_circle": "🔴", "large_yellow_circle": "🟡", "large_orange_circle": "🟠", "large_blue_circle": "🔵",
    "white_check_mark": "✅", "large_green_circle": "🟢", "warning": "⚠️", "rotating_light": "🚨",
}  # fmt: skip


def mrkdwn(text: str) -> Markup:
    """Return mrkdwn as HTML; a live mention would show as one, so that a mistake is seen."""
    out, end = Markup(), 0
    for match in _TOKEN.finditer(text):
        out += _plain(text[end : match.start()]) + _token(match)
        end = match.end()
    return out + _plain(text[end:])


def message(sent: Json) -> Markup:
    """Return one message: its blocks, or else its text, and its attachments below."""
    text = Markup('<div class="text">{}</div>').format(mrkdwn(sent.get("text", "")))
    body = _blocks(sent["blocks"]) if sent.get("blocks") else text
    return body + Markup().join(_attachment(a) for a in sent.get("attachments") or [])


def _attachment(attachment: Json) -> Markup:
    inner = _blocks(attachment.get("blocks") or []) or mrkdwn(attachment.get("text", ""))
    color = attachment.get("color", "#ccc")
    return Markup('<div class="attachment" style="border-color:{}">{}</div>').format(color, inner)


def _blocks(blocks: Iterable[Json]) -> Markup:
    return Markup().join(_block(block) for block in blocks)


def _block(block: Json) -> Markup:
    match block.get("type"):
        case "header":
            return Markup("<h3>{}</h3>").format(_text(block["text"]))
        case "section":
            fields = Markup().join(Markup("<div>{}</div>").format(_text(f)) for f in block.get("fields") or [])
            text = Markup('<div class="text">{}</div>').format(_text(block["text"])) if "text" in block else ""
            return Markup('{}<div class="fields">{}</div>').format(text, fields)
        case "context":
            return Markup('<div class="context">{}</div>').format(
                Markup(" ").join(_text(e) for e in block.get("elements") or [])
            )
        case "actions":
            return Markup('<div class="actions">{}</div>').format(Markup().join(map(_button, block["elements"])))
        case "divider":
            return Markup("<hr>")
    return Markup()


def _button(element: Json) -> Markup:
    url = str(element.get("url", ""))
    if not url.startswith(("http://", "https://")):  # Slack refuses it; here it is marked, so that a mistake is seen
        return Markup('<mark class="mention">{} {}</mark>').format(_text(element["text"]), url)
    return Markup('<a class="button" href="{}" rel="noreferrer">{}</a>').format(url, _text(element["text"]))


def _text(text: Json) -> Markup:
    return mrkdwn(text["text"]) if text.get("type") == "mrkdwn" else Markup("{}").format(_emoji(text["text"]))


def _token(match: re.Match[str]) -> Markup:
    found = match.groupdict()
    if found["pre"] is not None:
        return Markup("<pre>{}</pre>").format(_unescaped(found["pre"]).strip("\n"))
    if found["code"] is not None:
        return Markup("<code>{}</code>").format(_unescaped(found["code"]))
    if found["url"] is not None:
        url = _unescaped(found["url"])
        return Markup('<a href="{}">{}</a>').format(url, _unescaped(found["label"] or url))
    if found["special"] is not None:
        return Markup('<mark class="mention">{}</mark>').format(found["special"])
    if found["newline"] is not None:
        return Markup("<br>")
    tag, inner = ("b", found["bold"]) if found["bold"] is not None else ("i", found["italic"])
    return Markup(f"<{tag}>") + mrkdwn(inner) + Markup(f"</{tag}>")  # noqa: S704 - one of two fixed words


def _plain(text: str) -> Markup:
    return escape(_emoji(_unescaped(text)))


def _emoji(text: str) -> str:
    return re.sub(r":([a-z_]+):", lambda m: _EMOJI.get(m[1], m[0]), text)


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
