"""How an incident looks in Slack: pure rendering, every limit kept by cutting with "…".

Limits: https://docs.slack.dev/reference/block-kit/blocks and the undocumented total near 13,000 characters
(`msg_blocks_too_long`), from which TOTAL keeps a distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache

from bridge.domain.alert import Link, Severity
from bridge.domain.incident import Change, Entry, Incident
from bridge.domain.words import duration, mentions
from bridge.ports import House
from bridge.sinks.slack.blocks import Block, addresses, mrkdwn, section, size
from bridge.sinks.slack.text import clean, code, escape, fit, link, one_line, web_address

Message = dict[str, object]

TOTAL = 8000
"""Characters in one message, escaped, addresses counted in."""
TAIL = 500
"""Of these, kept for the last line and the words of the format itself."""
DETAILS = 2000
FACTS = 6
COLOURS = {
    Severity.CRITICAL: "#B3261E",
    Severity.ERROR: "#E8590C",
    Severity.WARNING: "#FFC227",
    Severity.INFO: "#2788CE",
}
RESOLVED_COLOUR = "#2EB886"
SIGNS = {Severity.CRITICAL: "🔴", Severity.ERROR: "🟠", Severity.WARNING: "🟡", Severity.INFO: "🔵"}
_CHANGE_SIGNS = {
    Change.WORSENED: "⬆️",
    Change.EASED: "⬇️",
    Change.RESOLVED: "✅",
    Change.REOPENED: "🔁",
    Change.NOTED: "📝",
}


def message(
    incident: Incident,
    links: tuple[Link, ...],
    peers: tuple[Link, ...],
    previous: Link | None,
    house: House,
    *,
    buttons: bool = True,
) -> Message:
    """Return `text` and `attachments` of the root message; equal arguments give an equal message.

    `text` is a line that reads well alone (notifications, screen readers); the attachment gives the colour bar.
    With `buttons=False` the addresses are links in a line of text.
    """
    text = headline(incident)
    top = [_head(incident), _status(incident, previous, house.timezone), _fields(incident, house.timezone)]
    room = TOTAL - size([text, top]) - TAIL
    named = (*links, Link("Source", incident.url), *peers)
    links_row, left_out = addresses(named, room, buttons=buttons)
    room -= size(links_row)
    facts = [block for block in (_facts(incident), _labels(incident)) if block]
    taken = size(facts)
    facts, taken = (facts, taken) if taken < room else ([], 0)
    # addresses before what may be long: Slack folds the end of a long attachment behind "Show more"
    blocks = [*top, *links_row, *facts, *_details(incident, room - taken), _context(incident, left_out)]
    return {"text": text, "attachments": [{"color": colour(incident), "blocks": blocks}]}


def headline(incident: Incident) -> str:
    """Return one escaped line: state, where, what and why, at most 700 characters."""
    what = _where(incident) + fit(_title(incident), 250)
    if not incident.open:
        return f"✅ RESOLVED after {_lasted(incident)} · {what}"
    why = fit(one_line(incident.summary), 200)
    why = "" if why in what else why
    sign = f"{SIGNS[incident.severity]} {incident.severity.upper()}"
    return f"{sign} {what} — {why}" if why else f"{sign} {what}"


def _where(incident: Incident) -> str:
    """Return the service, unless the title names it: many rules are called "<service> p95 latency"."""
    service = one_line(incident.service).strip()
    known = not service or mentions(_title(incident), service)
    return "" if known else f"{fit(service, 100)}: "


def entry_message(incident: Incident, entry: Entry, house: House) -> Message:
    """Return one line of history as a thread reply: `text` for notifications, `blocks` for the eye."""
    sign = _CHANGE_SIGNS.get(entry.change, SIGNS[incident.severity])
    said = fit(_sentence(clean(entry.text)), 1000) or entry.change.capitalize()
    when = {"type": "context", "elements": [mrkdwn(moment(entry.at, house.timezone))]}
    text = f"{sign} {fit(_title(incident), 250)} · {said}"
    return {"text": text, "blocks": [section(f"{sign} {said}"), when]}


def short_message(incident: Incident, entry: Entry, house: House) -> Message:
    """Return one line of history as a message of its own, for a webhook that can't reply in a thread."""
    reply = entry_message(incident, entry, house)
    return {
        "text": reply["text"],
        "attachments": [{"color": colour(incident), "blocks": [_head(incident), *_list(reply["blocks"])]}],
    }


def plain(shown: Message) -> Message:
    """Return the message as text only, for when Slack refuses its blocks."""
    return {"text": shown["text"], "attachments": [], "blocks": []}


def colour(incident: Incident) -> str:
    """Return the colour of the bar: by severity while it fires, green once resolved."""
    return COLOURS[incident.severity] if incident.open else RESOLVED_COLOUR


@lru_cache(500)  # a problem fires, is first and last seen in one moment
def moment(at: datetime, timezone: tzinfo) -> str:
    """Return a time as people read it, with its zone: "21 Nov 14:03:22 KST"."""
    local = at.astimezone(timezone)
    zone = local.tzname() or ""
    return f"{local:%d %b %H:%M:%S} {'UTC' + zone if zone[:1] in ('+', '-') else zone}".lstrip("0")


def _title(incident: Incident) -> str:
    return one_line(incident.title) or "(no title)"


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:]


def _lasted(incident: Incident) -> str:
    return duration((incident.resolved_at or incident.last_seen) - incident.fired_at)


def _head(incident: Incident) -> Block:
    title = fit(_title(incident), 300)
    address = web_address(incident.url)
    named = link(title, address) if 0 < len(escape(address)) <= 1000 else title
    summary = fit(clean(incident.summary).strip(), 1000)
    return section(f"*{named}*\n{summary}" if summary and summary != title else f"*{named}*")


def _status(incident: Incident, previous: Link | None, timezone: tzinfo) -> Block:
    if incident.open:
        lines = [f"*Firing* since {moment(incident.fired_at, timezone)}"]
    else:
        ended = moment(incident.resolved_at or incident.last_seen, timezone)
        lines = [f"*Resolved* after {_lasted(incident)}, at {ended}"]
    if incident.reopened:
        lines[0] += f" · reopened {_times(incident.reopened)}"
    if incident.number > 1:
        lines.append(f"Incident {incident.number} of this problem{_before(previous)}")
    return section("\n".join(lines))


def _before(previous: Link | None) -> str:
    address = web_address(previous.url) if previous else ""
    return f"; {link('the one before', address)}" if 0 < len(escape(address)) <= 300 else ""


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _fields(incident: Incident, timezone: tzinfo) -> Block:
    pairs = (
        ("Service", incident.service),
        ("Environment", incident.environment),
        ("Severity", incident.severity),
        ("Count", str(incident.count)),
        *_seen(incident, timezone),
    )
    return {"type": "section", "fields": _pairs(pairs, 120)}


def _seen(incident: Incident, timezone: tzinfo) -> list[tuple[str, str]]:
    first, last = moment(incident.first_seen, timezone), moment(incident.last_seen, timezone)
    return [("Seen", first)] if first == last else [("First seen", first), ("Last seen", last)]


def _facts(incident: Incident) -> Block | None:
    fields = _pairs(incident.facts.items(), 200)[:FACTS]
    return {"type": "section", "fields": fields} if fields else None


def _pairs(pairs: Iterable[tuple[str, str]], limit: int) -> list[Block]:
    return [mrkdwn(text) for name, value in pairs if (text := _pair(name, value, limit))]


@lru_cache(2000)  # most of what an alert says in pairs the one before said, too
def _pair(name: str, value: str, limit: int) -> str:
    name, value = one_line(name), one_line(value)
    return f"*{fit(name, 60)}*\n{fit(value, limit)}" if name and value else ""


def _labels(incident: Incident) -> Block | None:
    known = {incident.service, incident.environment, incident.severity, incident.title, *incident.facts.values()}
    shown = (f"{name}={value}" for name, value in sorted(incident.labels.items()) if value not in known)
    text = fit(one_line(" · ".join(shown)), 400)
    return {"type": "context", "elements": [mrkdwn(text)]} if text else None


def _details(incident: Incident, room: int) -> list[Block]:
    limit = min(DETAILS, room - len("sectionmrkdwn"))
    return [section(code(incident.details, limit))] if incident.details.strip() and limit >= 100 else []


def _context(incident: Incident, left_out: list[str]) -> Block:
    parts = [f"{fit(one_line(incident.source), 60)} · incident `{fit(one_line(incident.id), 80)}`"]
    if incident.redactions:
        parts.append(f"{incident.redactions} value{'s' * (incident.redactions != 1)} scrubbed")
    if left_out:
        parts.append(f"too long for Slack: {fit(', '.join(left_out), 150)}")
    return {"type": "context", "elements": [mrkdwn(" · ".join(parts))]}


def _list(blocks: object) -> list[object]:
    return blocks if isinstance(blocks, list) else []
