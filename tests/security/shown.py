"""What people would be shown of an alert, and what must never be in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bridge.domain.advance import advance
from bridge.domain.alert import Alert
from bridge.domain.incident import Incident
from bridge.enrich.links import Links
from bridge.ports import Delivery, House
from bridge.sinks.jira import text as jira
from bridge.sinks.jira.connections import RemoteLink, connections
from bridge.sinks.jira.options import JiraOptions
from bridge.sinks.slack.message import entry_message, message

HOUSE = House(timezone=UTC)
OPTIONS = JiraOptions.model_validate({"url": "https://j.example.com", "user": "u", "token": "t", "project": "OPS"})
WEB = ("http://", "https://")
_LIVE = re.compile(r"<(?!https?://)")
_USER = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)
_JIRA_LINK = re.compile(r"(?<!\\)\[[^\[\]\n]*?\|([^\]\n]*)\]")
_JIRA_LIVE = re.compile(r"(?<!\\)(?:\[~|!https?:|\{(?!color))", re.IGNORECASE)
_NOFORMAT = re.compile(r"\{noformat\}.*?\{noformat\}", re.DOTALL)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\x00]")


def incident_of(alerts: list[Alert]) -> Incident | None:
    """The incident that these statements about one problem make."""
    incident: Incident | None = None
    for one in alerts:
        incident, _ = advance(incident, one, set(), timedelta(hours=24))
    return incident


def check(incident: Incident, links: Links) -> None:
    """Render an incident everywhere; raises AssertionError when something in it is live."""
    now = datetime.now(UTC)
    known = (*links.build(incident, now), *incident.links)
    delivery = Delivery(incident=incident, receipt=None, links=known, now=now)
    for buttons in (True, False):
        shown = message(incident, known, (), None, HOUSE, buttons=buttons)
        msgspec.json.encode(shown)
        assert_calm_in_slack(shown)
    for entry in incident.timeline:
        assert_calm_in_slack(entry_message(incident, entry, HOUSE))
    assert_calm_in_jira(jira.description(delivery, HOUSE))
    assert "\n" not in jira.summary(incident)
    assert re.fullmatch(r"ab-[0-9a-f]{24}-\d+", jira.label_of(incident)), "what JQL is made of"
    for one in connections(delivery, OPTIONS):
        if isinstance(one, RemoteLink):
            assert_web(one.link.url)
            msgspec.json.encode(one.request("1")[1])


def assert_calm_in_slack(shown: Any) -> None:
    """Raise AssertionError for a live mention, a link that is none of ours, or text that is not what it looks."""
    for kind, text in texts(shown):
        if kind == "url":
            assert_web(text)
        elif kind == "plain":
            assert "<" not in text, text
        else:
            assert not _LIVE.search(text), text
        assert not _BIDI.search(text), ascii(text)


def texts(part: Any, kind: str = "mrkdwn") -> Iterator[tuple[str, str]]:
    """Every text of a message, with how Slack reads it."""
    if isinstance(part, list):
        for one in part:
            yield from texts(one)
    elif isinstance(part, dict):
        kind = "plain" if part.get("type") == "plain_text" else "mrkdwn"
        for key, value in part.items():
            if isinstance(value, str):
                yield ("url" if key == "url" else kind), value
            else:
                yield from texts(value)


def assert_calm_in_jira(text: str) -> None:
    """Raise AssertionError for live markup, or a link that leads anywhere but to the web."""
    outside = _NOFORMAT.sub("", text)
    for address in _JIRA_LINK.findall(outside):
        assert_web(address)
    assert not _JIRA_LIVE.search(outside), text
    assert not _BIDI.search(text), ascii(text)


def assert_web(address: str) -> None:
    """Raise AssertionError for an address that nobody should be offered."""
    assert address.startswith(WEB), address
    assert not _USER.match(address), address
