"""Links: the window, what is left out, and what no name can do to an address."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.domain.alert import Link, Status
from bridge.domain.incident import Incident
from bridge.enrich.links import LINKS, Links
from bridge.enrich.links.problem import Problem, window
from tests.enrich.links import ENOUGH, FIRED, QUARTER, TRACE, incident, link, options

TRACES = ("jaeger", "zipkin", "tempo", "xray", "gcp_trace", "datadog_trace", "kibana_apm", "sentry_trace")
NO_TRACE = incident(trace_id="")


def test_a_trace_id_of_64_bits_is_decimal_for_datadog() -> None:
    short = incident(trace_id="0" * 16 + "a6d0e1f2039485b7")
    assert link("datadog_trace", short) == "https://app.datadoghq.com/apm/trace/12020355835010254263"


@pytest.mark.parametrize("kind", TRACES)
@pytest.mark.parametrize("trace_id", ["", "0" * 32, "4bf9", "7C9E5A1D3B4F48C2A6D0E1F2039485B7", "../" * 10 + "ab"])
def test_without_a_valid_trace_id_there_is_no_trace_link(kind: str, trace_id: str) -> None:
    assert link(kind, incident(trace_id=trace_id), **ENOUGH[kind]) is None


@pytest.mark.parametrize(
    ("kind", "given", "about"),
    [
        ("loki", {}, incident(service="")),
        ("loki", {"query": '{pod="{{ labels.pod }}"}'}, incident()),
        ("loki", {"query": '{pod="{{ labels.empty }}"}'}, incident(labels={"empty": ""})),
        ("loki", {"query": '{app="x"} |= "{{ trace_id }}"'}, NO_TRACE),
        ("kibana", {}, incident(service="", trace_id="")),
        ("xray", {}, incident(labels={})),
        ("xray", {"region": "{{ labels.where }}"}, incident(labels={"where": "evil.example.com/?"})),
        ("gcp_trace", {}, incident(labels={})),
        ("gcp_logging", {"project": "{{ labels.p }}"}, incident(labels={"p": "a b?"})),
        ("gcp_logging", {}, incident(service="", trace_id="")),
        ("cloudwatch_insights", {}, incident(service="")),
        ("cloudwatch_insights", {}, incident(service="no group has a space")),
        ("cloudwatch_insights", {"log_groups": ["/ecs/a", "/ecs/{{ labels.b }}"]}, incident()),
        ("cloudwatch_logs", {"log_stream": "{{ labels.stream }}"}, incident()),
        ("cloudwatch_logs", {"filter": '"{{ trace_id }}"'}, NO_TRACE),
        ("datadog_logs", {}, incident(service="", trace_id="")),
        ("url", {}, NO_TRACE),
        ("url", {"url": "https://w.example.com/a/{{ service }}/b"}, incident(service="..")),
        ("url", {"url": "https://w.example.com/{{ title }}"}, incident(title="x" * 4001)),
        ("url", {"url": "https://w.example.com/{{ title }}"}, incident(title="é" * 3900)),
    ],
)
def test_without_something_it_needs_there_is_no_link(kind: str, given: dict[str, Any], about: Incident) -> None:
    assert link(kind, about, **{**ENOUGH[kind], **given}) is None


def test_links_keep_the_order_of_the_config_and_leave_out_what_is_not_known() -> None:
    several = [
        options("loki", **ENOUGH["loki"], label="Logs"),
        options("jaeger", **ENOUGH["jaeger"], label="Trace"),
        options("url", url="https://wiki.example.com/{{ service }}", label="Wiki"),
    ]
    built = Links(several, QUARTER, QUARTER).build(NO_TRACE, FIRED)
    assert [made.label for made in built] == ["Logs", "Wiki"]
    assert built[1] == Link("Wiki", "https://wiki.example.com/cart-api")


SEEN = FIRED + timedelta(minutes=5)
RESOLVED = FIRED + timedelta(hours=1)


@pytest.mark.parametrize(
    ("about", "now", "start", "end"),
    [
        (incident(), FIRED + timedelta(days=1), FIRED - QUARTER, SEEN + QUARTER),
        (incident(), SEEN, FIRED - QUARTER, SEEN),
        (incident(), SEEN + timedelta(milliseconds=1), FIRED - QUARTER, SEEN + timedelta(seconds=1)),
        (
            incident(status=Status.RESOLVED, stated_at=RESOLVED),
            RESOLVED + timedelta(days=1),
            FIRED - QUARTER,
            RESOLVED + QUARTER,
        ),
        (incident(), FIRED - timedelta(hours=1), FIRED - timedelta(hours=1, minutes=15), FIRED - timedelta(hours=1)),
        (incident(fired_at=FIRED + timedelta(milliseconds=1)), SEEN, FIRED - QUARTER, SEEN),
    ],
)
def test_the_window_goes_around_the_problem_and_never_past_now(
    about: Incident, now: datetime, start: datetime, end: datetime
) -> None:
    assert window(about, QUARTER, QUARTER, now) == (start, end)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_date_at_the_edge_of_time_makes_no_link_or_a_sound_one(at: datetime) -> None:
    for kind, enough in ENOUGH.items():
        url = link(kind, incident(fired_at=at, last_seen=at), **enough)
        assert url is None or url.startswith("https://")


def test_times_in_other_zones_are_told_in_utc() -> None:
    seoul = timezone(timedelta(hours=9))
    about = incident(fired_at=FIRED.astimezone(seoul), last_seen=SEEN.astimezone(seoul))
    problem = Problem.of(about, QUARTER, QUARTER, SEEN.astimezone(seoul))
    assert (problem.start.tzinfo, problem.end.tzinfo, problem.fired_at.tzinfo) == (UTC, UTC, UTC)
    assert problem.start == FIRED - QUARTER


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://jaeger.example.com", "https://host"),
        ("javascript:alert(1)", "https://host"),
        ("jaeger.example.com", "https://host"),
        ("https:///trace", "https://host"),
        ("https://a b", "https://host"),
        ("https://h:99999", "https://host"),
        ("https://h/{{ service }}", "https://host"),
        ("https://me:pw@h", "leave out user"),
        ("https://h/?a=b", "leave out user"),
        ("https://h/#x", "leave out user"),
    ],
)
def test_only_plain_http_addresses_are_taken(url: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        options("jaeger", url=url)


TEXTS = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize("kind", sorted(LINKS))
@given(service=TEXTS, title=TEXTS, labels=st.dictionaries(TEXTS, TEXTS, max_size=2))
def test_whatever_the_names_the_address_is_one_and_on_its_host(
    kind: str, service: str, title: str, labels: dict[str, str]
) -> None:
    enough = ENOUGH[kind] | ({"url": "https://wiki.example.com/{{ title }}"} if kind == "url" else {})
    places = {"region": "eu-west-1", "project_id": "acme-prod"}
    about = incident(service=service, title=title, environment=title, labels=labels | places)
    url = link(kind, msgspec.structs.replace(about, trace_id=TRACE if kind in TRACES else ""), **enough)
    if url is None:
        return
    expected = urlsplit(link(kind, **enough) or "")
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == (expected.scheme, expected.netloc)
    assert url.isascii()
    assert url.isprintable()
    assert not set(' "<>\\^`{|}') & set(url)


PAGE = (Path(__file__).parents[2] / "docs" / "links.md").read_text()
EXAMPLES = re.findall(r"^### (\w+)$.*?^```yaml\n(.*?)```\n\n```text\n(.*?)\n```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_kind_is_documented_with_an_example() -> None:
    assert set(ENOUGH) == set(LINKS)
    assert [kind for kind, _, _ in EXAMPLES] == list(LINKS)
    assert all(f"| `{kind}` | " in PAGE and made.__doc__ for kind, made in LINKS.items())


@pytest.mark.parametrize(("kind", "config", "url"), EXAMPLES)
def test_the_examples_in_the_docs_are_true(kind: str, config: str, url: str) -> None:
    (entry,) = yaml.safe_load(config)
    assert entry["kind"] == kind
    assert link(**entry) == url


def test_the_default_queries_in_the_docs_are_the_real_ones() -> None:
    for kind in ("loki", "kibana", "cloudwatch_insights", "gcp_logging", "datadog_logs"):
        query = LINKS[kind].model_json_schema()["properties"]["query"]["default"]
        assert "`{}`".format(query.replace("\n", " ⏎ ").replace("|", "\\|")) in PAGE
