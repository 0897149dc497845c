"""What a Jira issue and its comments say, in Jira's wiki markup (REST version 2): pure.

Whatever comes from outside is escaped, so that it can't mention people, embed images or open macros. Lengths are
counted in UTF-16 units, as Jira (Java) counts them. Limits: summary 255, label 255, text fields 32,767.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from bridge.domain.alert import Link
from bridge.domain.incident import Change, Entry, Incident
from bridge.domain.words import clip, mentions
from bridge.ports import Delivery, House
from bridge.sinks.address import web_link

SUMMARY_LIMIT = 254
DESCRIPTION_LIMIT = 30_000
VALUE_LIMIT = 500
"""Characters shown of one fact; the rest is at the source."""
TABLE_LIMIT = 8_000
LINKS_LIMIT = 6_000
SUMMARY_TEXT_LIMIT = 1_400
HISTORY_LIMIT = 1_500
STACK_LINES = 40
STACK_LIMIT = 6_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SPECIAL = re.compile(r"[{}\[\]|*_^~+\-!?]|&(?=#?\w{1,10};)|\\")
_AT_LINE_START = re.compile(r"(?:h[1-6]|bq)\.|#", re.IGNORECASE)
_IN_URL = {c: f"%{ord(c):02X}" for c in '|[]{}\\^`"<> !'}
_MARK = re.compile(
    r"(?:alert-bridge \\?#|alert-bridge · [^\n{}]{0,150} · update )(\d{1,9})\b(?!.*alert-bridge)", re.DOTALL
)
"""The mark, in this form or in the one before (`…, alert-bridge #7`), which stands in older issues."""


def label_of(incident: Incident) -> str:
    """Return the label that names this incident in Jira: lower case, no spaces, under 255 characters."""
    return f"ab-{incident.id}".lower()


def units(text: str) -> int:
    """Return the length as Jira counts it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "replace")) // 2


def plain(text: str) -> str:
    """Return the text in one line, without control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())


def escape(text: str) -> str:
    """Return text from outside as one line that wiki markup shows as it is."""
    return _SPECIAL.sub(_escaped, plain(text))


def summary(incident: Incident) -> str:
    """Return `[service] title`, one line of at most 254 units; the title alone where it names the service."""
    title = plain(incident.title) or "Alert without a title"
    service = clip(plain(incident.service), 80)
    named = not service or mentions(title, service)
    return _cut(title if named else f"[{service}] {title}", SUMMARY_LIMIT)


def description(delivery: Delivery, house: House) -> str:
    """Return what the issue says when it is opened, at most 30,000 units; it is never rewritten."""
    incident = delivery.incident
    parts = (
        _paragraph(_why(incident)),
        "\n".join(_within(TABLE_LIMIT, _rows(incident, house))),
        "\n".join(_within(LINKS_LIMIT, _link_lines(delivery))),
        "\n".join(_within(HISTORY_LIMIT, _history(incident, house))),
        _stack(incident.details),
        _mark(incident.version, f"incident {escape(incident.id)}"),
    )
    return "\n\n".join(part for part in parts if part)


def _why(incident: Incident) -> str:
    why = clip(plain(incident.summary), SUMMARY_TEXT_LIMIT)
    return "" if why == plain(incident.title) else why


def comment(entry: Entry, house: House) -> str:
    """Return one entry of the history as a comment, ending in the mark that `told` reads."""
    text = clip(plain(entry.text) or entry.change.value, VALUE_LIMIT * 4)
    return f"{_paragraph(text[:1].upper() + text[1:])}\n{_mark(entry.version, _when(entry.at, house))}"


def told(texts: Iterable[str]) -> int:
    """Return the newest version that a description's or comments' marks say was told; 0 without any."""
    return max((int(m[1]) for text in texts if (m := _MARK.search(text[-200:]))), default=0)


def url_in_markup(url: str) -> str:
    """Return an address that can't end its `[label|address]` early, or "" if it is not http(s)."""
    address = web_link(url)
    if len(address) > LINKS_LIMIT // 2:
        return ""
    return "".join(_IN_URL.get(c, c) for c in _CONTROL.sub("", address) if not c.isspace() or c == " ")


def _escaped(match: re.Match[str]) -> str:
    found = match[0]
    return {"\\": "&#92;", "&": "&amp;"}.get(found, f"\\{found}")


def _paragraph(text: str) -> str:
    """Return escaped text for the start of a line, where `h1.`, `bq.` and `#` mean something."""
    escaped = escape(text)
    return f"\u200b{escaped}" if _AT_LINE_START.match(escaped) else escaped


def _cut(text: str, limit: int) -> str:
    if units(text) <= limit:
        return text
    return text.encode("utf-16-le")[: (limit - 1) * 2].decode("utf-16-le", "ignore").rstrip() + "…"


def _when(at: datetime, house: House) -> str:
    return at.astimezone(house.timezone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _mark(version: int, text: str) -> str:
    return f"{{color:#6b778c}}alert-bridge · {text} · update {version}{{color}}"


def _rows(incident: Incident, house: House) -> Iterator[str]:
    facts = {
        "Severity": incident.severity.value,
        "Service": incident.service,
        "Environment": incident.environment,
        "Source": incident.source,
        **_seen(incident, house),
        "Count so far": str(incident.count),
        "Trace id": incident.trace_id,
    }
    facts |= {name: value for name, value in incident.facts.items() if name not in facts}
    for name, value in [*facts.items(), ("Labels", _labels(incident))]:
        if shown := _paragraph(clip(plain(value), VALUE_LIMIT)):
            yield f"||{_paragraph(clip(plain(name), 60))} |{shown} |"


def _seen(incident: Incident, house: House) -> dict[str, str]:
    first, last = _when(incident.first_seen, house), _when(incident.last_seen, house)
    return {"Seen": first} if first == last else {"First seen": first, "Last seen (when opened)": last}


def _labels(incident: Incident) -> str:
    """Return the labels that no other row tells, in one line."""
    known = {incident.service, incident.environment, incident.severity, *incident.facts.values()}
    labels = ((name, value) for name, value in incident.labels.items() if value not in known)
    shown = [clip(f"{plain(name)}={plain(value)}", 100) for name, value in labels]
    text = ", ".join(shown)
    return text if len(text) <= VALUE_LIMIT else f"{len(shown)} in all: {text}"


def _link_lines(delivery: Delivery) -> Iterator[str]:
    source = (Link("Source", delivery.incident.url),)
    for link in (*delivery.links, *source, *delivery.peers):
        if url := url_in_markup(link.url):
            label = clip(plain(link.label).replace("|", "/"), 80)
            yield f"* [{escape(label) or 'Link'}|{url}]"


def _history(incident: Incident, house: House) -> Iterator[str]:
    """Yield what happened before the issue was opened: there will be no comments about it."""
    for entry in [e for e in incident.timeline if e.change is not Change.OPENED][-10:]:
        yield f"* {_when(entry.at, house)}: {escape(clip(plain(entry.text), 120))}"


def _stack(details: str) -> str:
    lines = [_CONTROL.sub("", line) for line in details.strip("\r\n").splitlines()[:STACK_LINES]]
    text = _cut("\n".join(lines), STACK_LIMIT)
    if not text.strip():
        return ""
    body = re.sub(r"\{(?=noformat)", "{\u200b", text, flags=re.IGNORECASE)
    return f"{{noformat}}\n{body}\n{{noformat}}"


def _within(limit: int, lines: Iterable[str]) -> Iterator[str]:
    """Yield as many lines as fit; a line that does not fit is left out."""
    used = 0
    for line in lines:
        size = units(line) + 1
        if used + size <= limit:
            used += size
            yield line
