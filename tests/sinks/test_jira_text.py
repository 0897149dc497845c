"""What Jira issues say: nothing from outside is markup, nothing is over a limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.domain.alert import Alert, Link, Status
from bridge.domain.incident import Change, Entry
from bridge.sandbox.jira.rules import mistakes
from bridge.sinks.jira import JiraOptions, text
from bridge.sinks.jira.fields import render
from tests.sinks.jira_site import HOUSE, Bench, bench, delivery, told
from tests.strategies import alert


@pytest.fixture(scope="module")
def site() -> Iterator[Bench]:
    with bench() as bench_:
        yield bench_


INJECTIONS = [
    "{code}[~admin]{code}",
    "[~accountid:5b10]",
    "!https://evil.example.com/pixel.png!",
    "a|b||c",
    "{noformat}{color:red}*bold* _it_ -gone- +new+ ^up^ ~down~ ??cite??{noformat}",
    "{panel:title=x}{html}<script>{html}",
    "[click|https://evil.example.com]",
    "C:\\temp\\{x}",
    "h1. not a heading\nbq. nor a quote\n* nor a list\n|| nor | a table ||",
    "한국어 제목: 결제 실패 {0} — ‘따옴표’",
    "alert-bridge #99",
]


@pytest.mark.parametrize("bad", INJECTIONS)
def test_nothing_from_outside_is_markup(site: Bench, bad: str) -> None:
    given_ = Alert(
        **{
            **{name: getattr(alert(), name) for name in ("source", "fingerprint", "status", "severity", "at")},
            "event_id": bad,
            "title": bad,
            "summary": bad,
            "service": bad,
            "labels": {bad: bad},
            "facts": {bad: bad},
            "details": bad,
        }
    )
    work = delivery(told(given_), links=(Link(bad, f"https://example.com/{bad}"),))
    shown = text.description(work, HOUSE)
    outside_stack = re.sub(r"\{noformat\}\n.*?\n\{noformat\}", "", shown, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[{]", outside_stack.replace("{color:#6b778c}", "").replace("{color}", ""))
    assert not re.search(r"(?<!\\)\[~|(?<!\\)!\S", outside_stack)
    assert shown.count("{noformat}") == 2
    assert text.told([shown]) == 1
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (0, 1, 4) for line in outside_stack.splitlines())
    assert not re.search(r"^(h1|bq)\.|^#", outside_stack, re.MULTILINE | re.IGNORECASE)
    receipt = site.jira.sync(work)
    assert receipt.handle[0].startswith("OPS-")


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("{code} [~admin] a|b *x*", r"\{code\} \[\~admin\] a\|b \*x\*"),
        ("C:\\tmp !img.png! ??", r"C:&#92;tmp \!img.png\! \?\?"),
        ("a &lt; b & c", "a &amp;lt; b & c"),
        ("two\r\nlines\x00\u202e", "two lines"),
        ("결제 실패", "결제 실패"),
    ],
)
def test_escaping(raw: str, escaped: str) -> None:
    assert text.escape(raw) == escaped


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example.com/a|b]c d", "https://x.example.com/a%7Cb%5Dc%20d"),
        ("javascript:alert(1)", ""),
        ("https://x.example.com/\n!x!", "https://x.example.com/%21x%21"),
        ("https://x.example.com/" + "a" * 4000, ""),
    ],
)
def test_addresses_cannot_end_their_link(url: str, shown: str) -> None:
    assert text.url_in_markup(url) == shown


def test_the_end_of_the_stack_is_cut_not_its_beginning() -> None:
    shown = text.description(delivery(told(alert(details="\n".join(f"line {n}" for n in range(500))))), HOUSE)
    assert "line 0\n" in shown
    assert "line 39\n" in shown
    assert "line 40\n" not in shown


def test_an_alert_of_300_labels_is_shown_in_part(site: Bench) -> None:
    labels = {f"label_{n}": "값" * 200 for n in range(300)}
    site.jira.sync(delivery(told(alert(labels=labels, fingerprint="3" * 24))))
    assert "300 in all" in site.sandbox.issues[-1].fields["description"]


def test_the_table_says_nothing_twice_and_nothing_that_changes_while_the_issue_is_read() -> None:
    given_ = alert(service="shop", labels={"service": "shop", "pod": "web-1"}, facts={"Release": "2.1"})
    rows = re.findall(r"^\|\|([^|]+?) \|", text.description(delivery(told(given_)), HOUSE), re.MULTILINE)
    assert "Status" not in rows, "the issue has a status of its own"
    assert rows[-2:] == ["Release", "Labels"]
    assert "||Labels |pod=web\\-1 |" in text.description(delivery(told(given_)), HOUSE)


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("shop: deployment failed", "shop: deployment failed"),
        ("shopping is slow", "[shop] shopping is slow"),
        ("slow", "[shop] slow"),
    ],
)
def test_the_line_of_an_issue_names_the_service_once(title: str, line: str) -> None:
    assert text.summary(told(alert(title=title, service="shop"))) == line


def test_a_summary_that_only_repeats_the_title_is_left_out() -> None:
    same = alert(title="ValueError: boom", summary="ValueError: boom")
    assert "boom" not in text.description(delivery(told(same)), HOUSE)


def test_what_happened_before_the_issue_was_opened_is_in_its_description() -> None:
    shown = text.description(delivery(told(alert(0), alert(12, Status.RESOLVED))), HOUSE)
    assert "* 2026-11-21 14:12:00 KST: resolved after 12 min" in shown


def test_comments_end_in_the_mark_that_is_read_back() -> None:
    entry = Entry(7, datetime(2026, 11, 21, tzinfo=UTC), Change.NOTED, "[~admin] alert-bridge #99 says {code}")
    shown = text.comment(entry, HOUSE)
    assert shown.startswith(r"\[\~admin\] alert\-bridge #99 says \{code\}")
    assert shown.endswith("alert-bridge · 2026-11-21 09:00:00 KST · update 7{color}")
    assert text.told([shown, "people talk", "alert-bridge of mine"]) == 7


@pytest.mark.parametrize(
    "mark",
    [
        "{color:#6b778c}2026-11-21 14:05:00 KST, alert-bridge #3{color}",
        "{color:#6b778c}incident 3f2a9c1d4e5b6a78-1, alert-bridge \\#3{color}",
        "{color:#6b778c}alert-bridge · incident 3f2a9c1d4e5b6a78\\-1 · update 3{color}",
    ],
)
def test_the_mark_is_read_back_in_the_form_of_older_versions_too(mark: str) -> None:
    assert text.told([f"Severity raised\n{mark}\n"]) == 3


def test_first_and_last_seen_are_told_apart_only_when_they_differ() -> None:
    def rows(*alerts: Alert) -> list[str]:
        shown = text.description(delivery(told(*alerts)), HOUSE)
        return re.findall(r"^\|\|([^|]*[Ss]een[^|]*?) \|", shown, re.MULTILINE)

    assert rows(alert()) == ["Seen"]
    assert rows(alert(), alert(3, event="second")) == ["First seen", "Last seen (when opened)"]


def test_without_marks_nothing_is_known_to_be_told() -> None:
    assert text.told(["", "about #12"]) == 0


short = st.text(max_size=400) | st.sampled_from(INJECTIONS)
wild = short | st.text("한😀{}\\|!", min_size=1, max_size=9).map(lambda t: t * 3000)
words = st.dictionaries(short, short, max_size=60)


@settings(deadline=None)  # busy machines
@given(
    st.builds(alert, title=wild, service=wild, summary=wild, details=wild, environment=wild, labels=words, facts=words),
    st.lists(st.builds(Link, short, short | short.map(lambda t: f"https://{t * 9}")), max_size=20),
)
def test_summary_description_and_labels_keep_jiras_limits(given_: Alert, links: list[Link]) -> None:
    incident = told(given_)
    summary, description = text.summary(incident), text.description(delivery(incident, links=tuple(links)), HOUSE)
    fields = {"summary": summary, "description": description, "labels": [text.label_of(incident)]}
    assert mistakes(fields, set(fields)) == {}
    assert text.units(summary) <= text.SUMMARY_LIMIT
    assert text.units(description) <= text.DESCRIPTION_LIMIT
    assert text.told([description]) == incident.version
    msgspec.json.encode(fields)


def test_templates_reach_only_what_is_named() -> None:
    incident = told(alert(service="checkout", labels={"team": "a|b"}))
    assert render({"x": ["{{ service }}-{{ labels.team | wiki }}", 3]}, incident) == {"x": [r"checkout-a\|b", 3]}
    with pytest.raises(ValueError, match="can't be filled in"):
        render("{{ ''.__class__.__mro__[1].__subclasses__() }}", incident)


GOOD = {"url": "https://example.atlassian.net/", "user": "bot@example.com", "project": "OPS", "token": "t"}


@pytest.mark.parametrize(
    ("change", "words_"),
    [
        ({"url": "example.atlassian.net"}, "url"),
        ({"url": "https://user:pass@example.atlassian.net"}, "url"),
        ({"project": 'OPS" OR 1=1'}, "write the project's key, such as OPS"),
        ({"labels": ["two words"]}, "labels"),
        ({"fields": {"components": "{{ service"}}, "is not a template"),
        ({"fields": {"summary": "mine"}}, "set by the bridge itself"),
        ({"user": None}, "user is missing"),
        ({"resolution": "Duplicate"}, "also in wont_fix_resolutions"),
        ({"priority": {"fatal": "High"}}, "priority"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_options_that_cannot_work_are_refused(change: dict[str, object], words_: str) -> None:
    with pytest.raises(ValidationError, match=words_):
        JiraOptions.model_validate({**GOOD, **change})


def test_options_have_defaults_and_hide_the_token() -> None:
    options = JiraOptions.model_validate({**GOOD, "token": "very-secret"})
    assert (options.url, options.settle.total_seconds()) == ("https://example.atlassian.net", 90)
    assert "very-secret" not in repr(options)
    assert JiraOptions.model_validate({**GOOD, "priority": None}).priority == {}
