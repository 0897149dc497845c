"""Addresses from alerts: only the web, only what they look like; and no markup gets through to any page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.alert import Alert, Link, Severity, Status, event_id, fingerprint
from bridge.enrich.links import Links
from bridge.ports import Delivery, Request
from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira_html import wiki
from bridge.sandbox.slack import TOKEN
from bridge.sandbox.slack_html import message as slack_page
from bridge.sinks.address import web_link
from bridge.sinks.jira.text import description
from bridge.sinks.slack.message import message
from bridge.sources.alertmanager import Alertmanager, AlertmanagerOptions
from bridge.sources.cloudwatch import CloudWatch, CloudWatchOptions
from bridge.sources.sentry import Sentry, SentryOptions
from tests.sandbox_server import running
from tests.security.mutate import NASTY_TEXTS
from tests.security.shown import HOUSE, check, incident_of
from tests.sources.sns_world import TOPIC

NOW = datetime.now(UTC)
BAD = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)",
    "\x01javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "ftp://x.example/",
    "mailto:x@example.com",
    "//evil.example/x", "/x", "https:", "https://", "https:///x", "http:evil.example", "https:\\\\evil.example",
    "https://sentry.io@evil.example/", "https://user:password@evil.example/", "https://sentry.io\\@evil.example/",
    "https://evil.example\\.sentry.io/", "https://a b.example/", "https://a\tb.example/", "https://a\u202eb.example/",
    "https://%65vil.example/", "https://evil.example:99999999/", "https://[::1", "https://<script>/", 'https://"onload=x/',
    "slack://channel?id=C1", "intent://x", "tel:112", "blob:https://x.example/1", "view-source:https://x.example",
]  # fmt: skip
GOOD = {
    "https://x.example/a?b=c#d": "https://x.example/a?b=c#d",
    "HTTPS://X.example": "https://X.example",
    " https://x.example/ ": "https://x.example/",
    "http://127.0.0.1:8090/x": "http://127.0.0.1:8090/x",
    "http://[::1]:8090/x": "http://[::1]:8090/x",
    "https://x.example/@user": "https://x.example/@user",
    "http://alert_manager:9093": "http://alert_manager:9093",
    "https://аpple.com/": "https://xn--pple-43d.com/",
    "https://bücher.example:8443/ü": "https://xn--bcher-kva.example:8443/ü",
}


@pytest.mark.parametrize("url", BAD)
def test_what_is_no_plain_web_address_becomes_no_link(url: str) -> None:
    assert web_link(url) == ""


@pytest.mark.parametrize(("url", "shown"), GOOD.items())
def test_a_web_address_shows_where_it_leads(url: str, shown: str) -> None:
    assert web_link(url) == shown


@given(st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda text: "https://" + text)))
def test_any_text_is_a_web_address_or_no_link(text: str) -> None:
    shown = web_link(text)
    authority = shown.partition("://")[2].split("/")[0].split("?")[0].split("#")[0]

    assert shown == "" or shown.startswith(("http://", "https://"))
    assert authority.isascii()
    assert not set(authority) & set("@\\%<>\"' \t\n")


# --- through the sources, out of the sinks -------------------------------------------------------------------


def of_alertmanager(url: str) -> list[Alert]:
    source = Alertmanager("alertmanager", AlertmanagerOptions.model_validate({"bearer_token": "x"}))
    payload = json.loads(source.sample(Status.FIRING, NOW).body)
    payload["externalURL"] = payload["alerts"][0]["generatorURL"] = url
    payload["alerts"][0]["annotations"] |= {"runbook_url": url, "dashboard_url": url}
    return parsed(source, json.dumps(payload).encode())


def of_sentry(url: str) -> list[Alert]:
    source = Sentry("sentry", SentryOptions.model_validate({"client_secret": "x"}))
    event = {"issue_id": "1", "web_url": url, "issue_url": url, "url": url, "title": url}
    body = json.dumps({"action": "triggered", "data": {"event": event}}).encode()
    return parsed(source, body, {"sentry-hook-resource": "event_alert"})


def of_cloudwatch(url: str) -> list[Alert]:
    options = CloudWatchOptions.model_validate({"topic_arns": [TOPIC], "path_secret": "p" * 16})
    source = CloudWatch("aws", options)
    given = source.sample(Status.FIRING, NOW)
    body = json.loads(given.body) | {"AlarmDescription": f"runbook: {url}"}
    return parsed(source, json.dumps(body).encode(), given.headers)


def parsed(source: Any, body: bytes, headers: dict[str, str] | None = None) -> list[Alert]:
    alerts: list[Alert] = source.parse(Request(headers=headers or {}, body=body, received_at=NOW))
    return alerts


@pytest.mark.parametrize("made_by", [of_alertmanager, of_sentry, of_cloudwatch])
@pytest.mark.parametrize("url", BAD)
def test_no_payload_gets_a_bad_address_into_a_message_or_an_issue(
    made_by: Callable[[str], list[Alert]], url: str
) -> None:
    incident = incident_of(made_by(url))
    assert incident is not None
    check(incident, Links((), timedelta(), timedelta()))


# --- markup --------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def assert_harmless(page: str) -> None:
    """Raise AssertionError for anything in a page that runs, loads or leads elsewhere than to the web."""
    tags = Tags()
    tags.feed(page)
    for tag, attributes in tags.seen:
        assert tag not in ("script", "img", "svg", "iframe", "object", "embed", "link", "base"), tag
        assert not [name for name in attributes if name.startswith("on")], attributes
        assert (attributes.get("href") or "http://").startswith(("http://", "https://", "/", "#")), attributes


def nasty(text: str) -> Alert:
    return Alert(
        source="s",
        fingerprint=fingerprint(text),
        event_id=event_id(text),
        status=Status.FIRING,
        severity=Severity.ERROR,
        at=NOW,
        **dict.fromkeys(("title", "summary", "details", "service", "environment", "url"), text),
        labels={text[:40]: text},
        facts={text[:40]: text},
        links=(Link(text, text), Link(text, "https://ok.example/" + text)),
    )


def test_an_alert_full_of_markup_is_shown_as_text_everywhere() -> None:
    for text in NASTY_TEXTS:
        incident = incident_of([nasty(text)])
        assert incident is not None
        check(incident, Links((), timedelta(), timedelta()))
        assert_harmless(str(slack_page(message(incident, incident.links, (), None, HOUSE))))
        delivery = Delivery(incident=incident, receipt=None, links=incident.links, now=NOW)
        assert_harmless(str(wiki(description(delivery, HOUSE))))


def test_templates_in_an_alert_are_text() -> None:
    incident = incident_of([nasty("{{7*7}} {% for x in range(9) %}{{ x }}{% endfor %}")])
    assert incident is not None
    shown = json.dumps(message(incident, (), (), None, HOUSE))

    assert "{{7*7}}" in shown
    assert "49" not in shown.replace(incident.id, "")


SCRIPTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;svg onload=alert(1)&gt;",
    "{html}alert(1)",
)


def test_the_sandbox_page_runs_nothing_even_of_what_is_posted_to_it_directly() -> None:
    with running(Sandbox().app()) as url, httpx.Client(base_url=url, trust_env=False) as client:
        for text in SCRIPTS:
            block = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
            sent = {"channel": "C0ONCALL", "text": text, "attachments": [{"color": "#fff", "blocks": [block]}]}
            headers = {"authorization": f"Bearer {TOKEN}"}
            assert client.post("/slack/api/chat.postMessage", headers=headers, json=sent).json()["ok"]
        page = client.get("/")
        shown = client.get("/jira/browse/%3Cscript%3Ealert(1)")

    assert page.text.count("alert(1)") >= len(SCRIPTS)
    for answer in (page, shown):
        assert_harmless(answer.text.partition("</style>")[2])
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_button_that_leads_nowhere_good_is_none_on_the_page() -> None:
    button = {"type": "button", "url": "javascript:alert(1)", "text": {"type": "plain_text", "text": "Open"}}
    page = str(slack_page({"blocks": [{"type": "actions", "elements": [button]}]}))

    assert "href" not in page
    assert "javascript:alert(1)" in page
