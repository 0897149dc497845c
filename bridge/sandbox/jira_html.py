"""Jira's wiki markup as HTML, roughly as Jira shows it: what the bridge writes, so that a person can look at it."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_BLOCK = re.compile(r"\{(noformat|code)[^}]*\}\n?(.*?)\n?\{\1\}", re.DOTALL)
_INLINE = re.compile(
    r"\{color[^}]*\}|\\(?P<escaped>[^A-Za-z0-9\s])"
    r"|\[(?P<label>[^\]|\n]*)\|(?P<url>https?://[^\]\s|]+)[^\]]*\]|\[(?P<bare>https?://[^\]\s]+)\]"
    r"|\{\{(?P<code>[^}\n]+)\}\}|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)|(?<![\w:/])_(?P<italic>[^_\n]+)_(?!\w)"
    r"|!(?P<image>[^!\s]+)!|\[~(?P<user>[^\]]+)\]"
)
_HEADING = re.compile(r"h([1-6])\. (.*)")
_CELL = re.compile(r"(?<!\\)(\|\|?)")


def wiki(text: str) -> Markup:
    """Return wiki markup as HTML; live images and mentions are marked, so that a mistake is seen."""
    out, end = Markup(), 0
    for match in _BLOCK.finditer(text):
        out += _lines(text[end : match.start()]) + Markup("<pre>{}</pre>").format(match[2])
        end = match.end()
    return out + _lines(text[end:])


def _lines(text: str) -> Markup:
    out, table = Markup(), Markup()
    for line in text.strip("\n").split("\n"):
        if line.startswith("|"):
            table += _row(line)
            continue
        if table:
            out, table = out + Markup("<table>{}</table>").format(table), Markup()
        out += _line(line)
    return out + (Markup("<table>{}</table>").format(table) if table else "")


def _line(line: str) -> Markup:
    if heading := _HEADING.fullmatch(line):
        return Markup("<h4>{}</h4>").format(_inline(heading[2]))
    if line.startswith(("* ", "- ")):
        return Markup("<div>• {}</div>").format(_inline(line[2:]))
    return Markup("<div>{}</div>").format(_inline(line)) if line.strip() else Markup()


def _row(line: str) -> Markup:
    parts = _CELL.split(line.strip())
    cells = Markup()
    for mark, content in zip(parts[1::2], parts[2::2], strict=False):
        if content.strip():
            tag = "th" if mark == "||" else "td"
            cells += Markup(f"<{tag}>") + _inline(content.strip()) + Markup(f"</{tag}>")  # noqa: S704 - fixed words
    return Markup("<tr>{}</tr>").format(cells)


def _inline(text: str) -> Markup:
    out, end = Markup(), 0
    for match in _INLINE.finditer(text):
        out += escape(text[end : match.start()]) + _token(match)
        end = match.end()
    return out + escape(text[end:])


def _token(match: re.Match[str]) -> Markup:
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    if not found:  # a color
        return Markup()
    if "escaped" in found:
        return escape(found["escaped"])
    if url := found.get("url") or found.get("bare"):
        return Markup('<a href="{}">{}</a>').format(url, _inline(found.get("label", "")) or url)
    if "image" in found or "user" in found:
        return Markup('<mark class="mention">{}</mark>').format(match[0])
    tag, name = next((t, n) for t, n in (("code", "code"), ("b", "bold"), ("i", "italic")) if n in found)
    return Markup(f"<{tag}>") + escape(found[name]) + Markup(f"</{tag}>")  # noqa: S704 - fixed words
