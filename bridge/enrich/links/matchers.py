"""The links a sender gave: where an address is to name the alert's labels, they are written in when it is shown.

Alertmanager's pages take them as `filter={a="b", c="d"}`: prometheus/alertmanager, `ui/app/src/Utils/Filter.elm`.
Stored with each incident they would be half of its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

from bridge.domain.alert import ALL_MATCHERS, MATCHERS, SENDERS_WORD, Link
from bridge.domain.incident import Incident

LIMIT = 1500
"""Of all matchers, percent-encoded: browsers and Slack's buttons take about twice that."""
_PLAIN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_ALTERED = ("[redacted", "…", "...")
"""A label that holds one of these may not read as the sender has it: scrubbed, or cut."""


def given(incident: Incident) -> Iterator[Link]:
    """Yield the sender's own links, ready to be opened; one that must name every label, only if it can."""
    for link in incident.links:
        if MATCHERS not in link.url and ALL_MATCHERS not in link.url:
            yield link
            continue
        labels = {name: value for name, value in incident.labels.items() if name != SENDERS_WORD}
        chosen = _fitting(labels)
        if ALL_MATCHERS in link.url and not 0 < len(chosen) == len(labels):
            continue
        written = f"%7B{'%2C%20'.join(chosen)}%7D"
        yield Link(link.label, link.url.replace(ALL_MATCHERS, written).replace(MATCHERS, written))


def _fitting(labels: Mapping[str, str]) -> list[str]:
    """Return the matchers that fit, encoded, the alert's name first."""
    room, chosen = LIMIT, []
    for name in sorted(labels, key=lambda name: (name != "alertname", name)):
        if any(sign in labels[name] for sign in _ALTERED):
            continue
        matcher = _matcher(name, labels[name])
        if len(matcher) <= room:
            chosen.append(matcher)
            room -= len(matcher) + len("%2C%20")
    return chosen


@lru_cache(4000)  # most labels of an alert are those of the alert before
def _matcher(name: str, value: str) -> str:
    return quote(f"{_name(name)}={_quoted(value)}", safe="")


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
