"""Where Alertmanager's own pages show an alert, and silence it.

The pages take matchers as `filter={a="b", c="d"}`: prometheus/alertmanager, `ui/app/src/Utils/Filter.elm`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

LIMIT = 1500
"""Of a filter, percent-encoded: browsers and Slack's buttons take about twice that."""
_PLAIN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def pages(external_url: str, labels: Mapping[str, str], *, firing: bool) -> Iterator[tuple[str, str]]:
    """Yield names and addresses of the alert's pages.

    A page to silence it is offered while it fires, and only if all its labels fit: fewer would silence more.
    """
    root = f"{external_url.rstrip('/')}/#"
    chosen = _fitting(labels)
    matchers = f"%7B{'%2C%20'.join(chosen)}%7D"
    yield "Alertmanager", f"{root}/alerts?filter={matchers}"
    if firing and chosen and len(chosen) == len(labels):
        yield "Silence", f"{root}/silences/new?filter={matchers}"


def _fitting(labels: Mapping[str, str]) -> list[str]:
    """Return the matchers that fit, encoded, the alert's name first."""
    room, chosen = LIMIT, []
    for name in sorted(labels, key=lambda name: (name != "alertname", name)):
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
