"""What an incident looks like in Slack: readable, complete, within every limit, and never a live mention."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.alert import Link, Severity, Status
from bridge.domain.incident import Change, Entry, Incident
from bridge.sandbox.slack_limits import refusal
from bridge.sinks.slack.blocks import size
from bridge.sinks.slack.message import TOTAL, entry_message, message, short_message
from bridge.sinks.slack.text import clean, code, escape, fit, link, units, web_address
from tests.sinks.slack_room import HOUSE, TRACE, alert, story

LIVE = re.compile(r"<[^>]*>?")
LINK = re.compile(r"<https?://[^\s<>|\"]+\|[^<>|]*>")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")


def shown(incident: Incident, **changes: object) -> dict[str, object]:
    given = {"links": (TRACE,), "peers": (), "previous": None, "house": HOUSE, **changes}
    return message(incident, **given)  # type: ignore[arg-type]  # keyword arguments of a test


def texts(part: object) -> Iterator[tuple[str, str]]:
    """Yield (type, text) of every text object, and the top-level text as mrkdwn."""
    if isinstance(part, list):
        for each in part:
            yield from texts(each)
    elif isinstance(part, dict):
        if isinstance(part.get("text"), str):
            yield str(part.get("type", "mrkdwn")), part["text"]
        for value in part.values():
            yield from texts(value)


def joined(sent: dict[str, object]) -> str:
    return "\n".join(text for _, text in texts(sent))


def assert_sound(sent: dict[str, object]) -> None:
    """Check every limit, and that nothing from outside is live."""
    assert refusal(sent, edited=True) is None
    assert size([sent["text"], sent.get("attachments"), sent.get("blocks")]) <= TOTAL
    assert units(str(sent["text"])) <= 3000
    assert str(sent["text"]).strip()
    json.dumps(sent).encode().decode()
    for kind, text in texts(sent):
        assert all(LINK.fullmatch(found) for found in LIVE.findall(text)), text
        assert ">" not in LINK.sub("", text)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\ud800-\udfff]", text)
        if kind == "mrkdwn":
            assert not ENTITY.search(text), text
            assert text.count("```") in (0, 2)


def test_a_firing_incident_reads_well_at_a_glance() -> None:
    sent = shown(story(alert(0), alert(3, event_id="b")), peers=(Link("Jira OPS-12", "https://jira/browse/OPS-12"),))
    assert sent["text"] == "🔴 CRITICAL checkout: HighErrorRate — error rate 12% &gt; 5%"
    attachment = sent["attachments"][0]  # type: ignore[index]
    assert attachment["color"] == "#B3261E"
    text = joined(sent)
    address = "https://prometheus.example.com/graph?g0.expr=up&amp;g0.tab=1"
    assert f"*<{address}|HighErrorRate>*\nerror rate 12% &gt; 5%" in text
    assert "*Firing* since 21 Nov 14:03:22 KST" in text
    for field in ("*Service*\ncheckout", "*Environment*\nprod", "*Severity*\ncritical", "*Count*\n2"):
        assert field in text
    assert "*Last seen*\n21 Nov 14:06:22 KST" in text
    assert "*release*\n1.4.2" in text
    assert "instance=web-1" in text
    assert "ValueError: boom" in text
    assert "alertmanager · incident `3f2a9c1d4e5b6a7890123456-1`" in text
    buttons = next(b for b in attachment["blocks"] if b["type"] == "actions")["elements"]
    assert [b["text"]["text"] for b in buttons] == ["Trace", "Source", "Jira OPS-12"]
    assert buttons[1]["url"] == "https://prometheus.example.com/graph?g0.expr=up&g0.tab=1"


def test_a_title_that_begins_with_the_service_is_not_told_twice() -> None:
    incident = msgspec.structs.replace(story(alert()), title="Checkout p95 latency", summary="")
    assert shown(incident)["text"] == "🔴 CRITICAL Checkout p95 latency"
    other = msgspec.structs.replace(incident, title="checkouts fail")
    assert shown(other)["text"] == "🔴 CRITICAL checkout: checkouts fail"


def test_a_resolved_incident_is_green_and_says_after_how_long() -> None:
    sent = shown(story(alert(0), alert(12, Status.RESOLVED)))
    assert sent["text"] == "✅ RESOLVED after 12 min · checkout: HighErrorRate"
    assert sent["attachments"][0]["color"] == "#2EB886"  # type: ignore[index]
    assert "*Resolved* after 12 min, at 21 Nov 14:15:22 KST" in joined(sent)


def test_a_reopened_incident_says_how_often() -> None:
    again = story(alert(0), alert(12, Status.RESOLVED), alert(20))
    assert "*Firing* since 21 Nov 14:23:22 KST · reopened once" in joined(shown(again))


def test_the_next_incident_of_a_problem_points_to_the_one_before() -> None:
    second = msgspec.structs.replace(story(alert()), number=2)
    before = Link("Slack", "https://acme.slack.com/archives/C1/p1")
    assert "Incident 2 of this problem; <https://acme.slack.com/archives/C1/p1|the one before>" in joined(
        shown(second, previous=before)
    )
    assert "Incident 2 of this problem" in joined(shown(second))


def test_addresses_can_be_links_instead_of_buttons() -> None:
    sent = shown(story(alert()), buttons=False)
    assert "|Trace>  ·  <https://prometheus" in joined(sent)
    assert '"actions"' not in json.dumps(sent)


@pytest.mark.parametrize(
    ("severity", "sign"),
    [(Severity.CRITICAL, "🔴"), (Severity.ERROR, "🟠"), (Severity.WARNING, "🟡"), (Severity.INFO, "🔵")],
)
def test_severity_is_seen_without_colours(severity: Severity, sign: str) -> None:
    assert str(shown(story(alert(severity=severity)))["text"]).startswith(f"{sign} {severity.upper()} ")


def test_mentions_and_markup_from_outside_stay_text() -> None:
    nasty = "<!channel> <@U1> <https://evil.example|click> & `rm -rf` ```"
    sent = shown(
        story(
            alert(title=nasty, summary=nasty, details=nasty, service=nasty, facts={nasty: nasty}, labels={nasty: "1"})
        ),
        links=(Link(nasty, "https://ok.example/<!channel>|x"),),
    )
    assert_sound(sent)
    assert "<!channel>" not in json.dumps(sent)
    assert "&lt;!channel&gt; &lt;@U1&gt;" in str(sent["text"])
    assert "https://ok.example/%3C!channel%3E%7Cx" in json.dumps(sent)


def test_backticks_cannot_end_the_code_block() -> None:
    assert code("a```b", 100) == "```\naˋˋˋb\n```"


def test_bidirectional_and_control_characters_are_taken_out() -> None:
    assert clean("a\u202eb\x00c\x1b[31m\u2066d\r\ne\ud800") == "abc[31md\ne\ufffd"


def test_a_300_label_alert_and_a_50_kB_exception_fit() -> None:
    labels = {f"label_{n}": "<값>&" * 20 for n in range(300)}
    long = "java.lang.IllegalStateException: <&> 😀 한국어 `x`\n" * 1200
    incident = story(alert(labels=labels, facts=labels, details=long, summary=long, title=long, service=long))
    sent = shown(
        incident, links=tuple(Link(f"Link {n}", f"https://x.example/?a={n}&b=" + "y" * 200) for n in range(60))
    )
    assert_sound(sent)
    assert "…" in joined(sent)
    assert "too long for Slack: " in joined(sent)


def test_links_that_slack_takes_no_longer_are_named_instead() -> None:
    sent = shown(story(alert()), links=(Link("Logs", "https://logs.example.com/?q=" + "a" * 3000), TRACE))
    assert "too long for Slack: Logs" in joined(sent)
    assert '"Trace"' in json.dumps(sent)


def test_only_web_addresses_become_links() -> None:
    sent = shown(story(alert(url="javascript:alert(1)")), links=(Link("Bad", "file:///etc/passwd"),))
    assert "javascript" not in json.dumps(sent)
    assert "passwd" not in json.dumps(sent)


def test_redactions_are_counted() -> None:
    assert "2 values scrubbed" in joined(shown(story(alert(redactions=2))))


def test_an_empty_alert_still_makes_a_message() -> None:
    bare = alert(title="", summary="", details="", service="", environment="", url="", labels={}, facts={})
    assert_sound(shown(story(bare), links=()))


def test_entries_are_sentences_with_a_time() -> None:
    incident = story(alert(0), alert(12, Status.RESOLVED))
    reply = entry_message(incident, incident.timeline[-1], HOUSE)
    assert reply["text"] == "✅ HighErrorRate · Resolved after 12 min: error rate 12% &gt; 5%" or reply["text"] == (
        "✅ HighErrorRate · Resolved after 12 min"
    )
    assert "21 Nov 14:15:22 KST" in joined(reply)


def test_the_same_incident_always_looks_the_same() -> None:
    assert shown(story(alert())) == shown(story(alert()))


def test_cutting_never_splits_an_entity_or_an_emoji() -> None:
    assert fit("a&b", 6) == "a…"
    assert fit("a&b", 7) == "a&amp;b"
    assert units(fit("😀" * 10, 7)) <= 7


def test_a_link_matches_the_worked_example() -> None:
    address = web_address("https://ex.com/?a=1&b=<2>|3 4")
    assert link(escape("Runbook | a > b & c"), address) == (
        "<https://ex.com/?a=1&amp;b=%3C2%3E%7C3%204|Runbook ¦ a &gt; b &amp; c>"
    )


NASTY = st.sampled_from(
    ["<!channel>", "<@U1>", "&amp;", "```", "|", ">", "<", "😀", "한글", "\u202e", "\x07", "*", "\n"]
)
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.one_of(NASTY, st.text(max_size=10)), max_size=30).map("".join),
    st.tuples(NASTY, st.integers(0, 5000)).map(lambda pair: pair[0] * pair[1]),
)
MAPS = st.dictionaries(TEXT, TEXT, max_size=8)
TIMES = st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
URLS = st.one_of(TEXT, TEXT.map(lambda text: f"https://x.example/{text}"))
LINKS = st.lists(st.builds(Link, TEXT, URLS), max_size=40).map(tuple)
ENTRIES = st.builds(Entry, version=st.integers(1, 99), at=TIMES, change=st.sampled_from(Change), text=TEXT)
INCIDENTS = st.builds(
    Incident,
    fingerprint=TEXT,
    number=st.integers(1, 3),
    version=st.integers(1, 99),
    status=st.sampled_from([Status.FIRING, Status.RESOLVED]),
    severity=st.sampled_from(Severity),
    source=TEXT,
    title=TEXT,
    summary=TEXT,
    details=TEXT,
    service=TEXT,
    environment=TEXT,
    url=URLS,
    labels=MAPS,
    facts=MAPS,
    links=LINKS,
    trace_id=st.just(""),
    first_seen=TIMES,
    last_seen=TIMES,
    fired_at=TIMES,
    stated_at=TIMES,
    described_by=st.tuples(TIMES, st.just("x")),
    count=st.integers(1, 10**9),
    reopened=st.integers(0, 10**6),
    timeline=st.just(()),
    redactions=st.integers(0, 10**6),
)


@settings(max_examples=150, deadline=timedelta(seconds=60))
@given(INCIDENTS, LINKS, LINKS, st.one_of(st.none(), st.builds(Link, TEXT, URLS)), st.booleans())
def test_any_incident_keeps_every_limit_and_no_mention_is_live(
    incident: Incident, links: tuple[Link, ...], peers: tuple[Link, ...], previous: Link | None, buttons: bool
) -> None:
    assert_sound(message(incident, links, peers, previous, HOUSE, buttons=buttons))


@settings(max_examples=100, deadline=timedelta(seconds=60))
@given(INCIDENTS, ENTRIES)
def test_any_entry_keeps_every_limit_and_no_mention_is_live(incident: Incident, entry: Entry) -> None:
    assert_sound(entry_message(incident, entry, HOUSE))
    assert_sound(short_message(incident, entry, HOUSE))


@given(TEXT, st.integers(1, 400))
def test_what_is_cut_fits_and_is_whole(text: str, limit: int) -> None:
    cut = fit(clean(text), limit)
    assert units(cut) <= max(limit, 1)
    assert not ENTITY.search(cut)
