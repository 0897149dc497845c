"""Blocks of a Slack message, and how much they count.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.domain.alert import Link
from bridge.sinks.address import web_link
from bridge.sinks.slack.text import URL_LIMIT, escape, fit, link, one_line, units, web_address

Block = dict[str, object]

BUTTONS = 25
LABEL = 75
LINE = 2900
"""Of the 3,000 that a section takes."""


def size(part: object) -> int:
    """Return how many characters a part of a message counts, keys apart."""
    if isinstance(part, str):
        return units(part)
    if isinstance(part, dict):
        return sum(map(size, part.values()))
    return sum(map(size, part)) if isinstance(part, list) else 0


def section(text: str) -> Block:
    """Return a section of escaped mrkdwn, 1 to 3,000 characters."""
    return {"type": "section", "text": mrkdwn(text)}


def mrkdwn(text: str) -> Block:
    """Return a text object; the text is escaped already."""
    # verbatim: Slack must not make links or mentions out of plain text
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def addresses(links: tuple[Link, ...], room: int, *, buttons: bool) -> tuple[list[Block], list[str]]:
    """Return the block of buttons (or links), and the labels of what is too long for Slack."""
    shown: list[tuple[str, str]] = []
    left_out: list[str] = []
    for named in _distinct(links):
        label, address = one_line(named.label) or "Link", web_address(named.url)
        needed = len(address if buttons else escape(address)) + 2 * LABEL
        if address and needed <= min(room, URL_LIMIT + 2 * LABEL if buttons else LINE) and len(shown) < BUTTONS:
            room -= needed
            shown.append((label, address))
        else:
            left_out.append(label)
    return _row(shown, buttons=buttons), left_out


def _row(shown: list[tuple[str, str]], *, buttons: bool) -> list[Block]:
    if not shown:
        return []
    if buttons:
        return [{"type": "actions", "elements": [_button(n, *pair) for n, pair in enumerate(shown, 1)]}]
    return [section(line) for line in _packed([link(fit(label, LABEL), address) for label, address in shown])]


def _packed(links: list[str]) -> Iterator[str]:
    """Yield lines of links, none longer than a section takes and none cut inside a link."""
    line = ""
    for each in links:
        if line and units(line) + units(each) > LINE:
            yield line
            line = ""
        line = f"{line}  ·  {each}" if line else each
    yield line


def _distinct(links: tuple[Link, ...]) -> Iterator[Link]:
    seen = set()
    for each in links:
        if web_link(each.url) and each.url not in seen:
            seen.add(each.url)
            yield each


def _button(number: int, label: str, address: str) -> Block:
    # plain_text knows no escapes: what could be taken for a mention is replaced
    text = label.replace("<", "‹").replace(">", "›")
    text = text if units(text) <= LABEL else text[: LABEL // 2 - 1].rstrip() + "…"
    return {
        "type": "button",
        "action_id": f"open-{number}",
        "text": {"type": "plain_text", "text": text, "emoji": False},
        "url": address,
    }
