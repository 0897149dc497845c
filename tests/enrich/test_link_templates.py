"""Templates in links: hostile values stay inside their string, mistakes are found when the config is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.enrich.links import LINKS
from bridge.enrich.links.encoding import dollar, jsurl, percent, rison_text
from bridge.enrich.links.language import (
    DATADOG,
    FILTER_PATTERN,
    GCP_FILTER,
    INSIGHTS,
    KQL,
    LOGQL,
    Language,
    Piece,
    Refused,
    Value,
)  # fmt: skip
from tests.enrich.links import (
    backslashes,
    c_string,
    incident,
    insights,
    link,
    options,
    pane,
    read_jsurl,
    read_rison,
    states,
    strings,
)  # fmt: skip

HOSTILE = [
    'quote " quote',
    "back\\slash",
    "ends in a backslash\\",
    "two\nlines\r\n\tand a tab",
    '"} |= "',
    '" or *:* or "',
    "it's",
    "`tick`",
    "日本 é",
    "😀",
    "costs $5 (50%) ~ !",
    "~'(~)!!",
    "{{ service }} {% raw %}",
    "<!channel>&amp;#x?a=b",
    "\x00\x1b\x7f",
]


def loki(service: str) -> str:
    url = link("loki", incident(service=service), url="https://g", datasource="d", query='{a="{{ service }}"}')
    return next(strings(pane(url or "")["queries"][0]["expr"], c_string))


def kibana(service: str) -> str:
    url = link("kibana", incident(service=service), url="https://k", index="i", query='a : "{{ service }}"')
    return next(strings(states(url or "")["_a"]["query"]["query"], c_string))


def opensearch(service: str) -> str:
    given = {"url": "https://k", "index": "i", "query": 'a : "{{ service }}"', "product": "opensearch"}
    url = link("kibana", incident(service=service), **given)
    return next(strings(states(url or "")["_q"]["query"]["query"], c_string))


def cloudwatch_insights(service: str) -> str:
    given = {"log_groups": ["/a"], "query": 'filter a = "{{ service }}"'}
    url = link("cloudwatch_insights", incident(service=service), **given)
    return next(strings(insights(url or "")["editorString"], backslashes))


def cloudwatch_logs(service: str) -> str:
    url = link("cloudwatch_logs", incident(service=service), log_group="/a", filter='"{{ service }}"') or ""
    raw = url.split("filterPattern$3D", 1)[1].split("$26start", 1)[0]
    return next(strings(unquote(unquote(raw.replace("$", "%"))), backslashes))


def gcp_logging(service: str) -> str:
    url = link("gcp_logging", incident(service=service), query='a="{{ service }}"') or ""
    raw = url.split(";query=", 1)[1].split(";startTime", 1)[0]
    return next(strings(unquote(raw), c_string))


def datadog_logs(service: str) -> str:
    url = link("datadog_logs", incident(service=service), query='service:"{{ service }}"') or ""
    return next(strings(parse_qs(urlsplit(url).query)["query"][0], backslashes))


def url(service: str) -> str:
    url = link("url", incident(service=service), url="https://h/a/{{ service }}/b?c=d") or ""
    assert (urlsplit(url).query, urlsplit(url).fragment) == ("c=d", "")
    _, _, inserted, last = urlsplit(url).path.split("/")
    assert last == "b"
    return unquote(inserted)


READERS = [loki, kibana, opensearch, cloudwatch_insights, cloudwatch_logs, gcp_logging, datadog_logs, url]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_value_comes_back_unchanged_from_inside_its_string(reader: Callable[[str], str], value: str) -> None:
    assert reader(value) == value


WORDS = st.text(st.characters(exclude_characters="\x02\x03", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize("reader", READERS)
@given(value=WORDS.filter(lambda text: text not in (".", "..")))
def test_any_value_comes_back_unchanged_from_inside_its_string(reader: Callable[[str], str], value: str) -> None:
    assert reader(value) == value


@pytest.mark.parametrize("language", [LOGQL, KQL, INSIGHTS, FILTER_PATTERN, GCP_FILTER, DATADOG])
@given(value=st.text())
@example("and")
@example("a--b")
@example("-a")
def test_outside_quotes_only_plain_words_get_in(language: Language, value: str) -> None:
    plain = re.fullmatch(r"\w+([.-]\w+)*", value, re.ASCII)
    word = plain and value.lower() not in ("and", "or", "not", "in", "like", "by")
    try:
        assert language.join([Piece("a="), Value(value)]) == "a=" + value
    except Refused:
        assert not word
    else:
        assert word


@pytest.mark.parametrize(
    ("language", "written", "value", "query"),
    [
        (LOGQL, ('{a=~"', '.*"}'), "a.b|c", r'{a=~"a\\.b\\|c.*"}'),
        (LOGQL, ('{a="x"} |~ `', "`"), "a.b`", r'{a="x"} |~ `a\.b\x60`'),
        (LOGQL, ("{a=`", "`}"), 'say "hi" \\', '{a=`say "hi" \\`}'),
        (LOGQL, ('{a="x"} # it\'s "\n|= "', '"'), 'b"', '{a="x"} # it\'s "\n|= "b\\""'),
        (LOGQL, (r'{a="\"', '"}'), '"', r'{a="\"\""}'),
        (KQL, (r"a:\" and b:", ""), "c", r"a:\" and b:c"),
        (INSIGHTS, ("filter @message like /(?i)", "/"), "a/b.c\n", r"filter @message like /(?i)a\/b\.c\n/"),
        (INSIGHTS, ("filter a / 2 > 1 and b = '", "'"), "it's", r"filter a / 2 > 1 and b = 'it\'s'"),
        (GCP_FILTER, ('a=~"^', '$"'), "a.b", r'a=~"^a\\.b$"'),
        (GCP_FILTER, ('-- say "\na="', '"'), '"', '-- say "\na="\\""'),
    ],
)
def test_a_value_is_escaped_for_the_very_place_where_it_stands(
    language: Language, written: tuple[str, str], value: str, query: str
) -> None:
    assert language.join([Piece(written[0]), Value(value), Piece(written[1])]) == query


@pytest.mark.parametrize(
    ("language", "written", "value"),
    [
        (LOGQL, ("{a=`", "`}"), "`} or"),
        (INSIGHTS, ("fields `", "`"), "a`b"),
        (LOGQL, ('{a="x"} # ', "\n"), "\n|= 1"),
        (KQL, (r"a:\" and b:", r" and c:\""), "* or d:*"),
        (LOGQL, ('{a="\\', '"}'), '"'),
        (KQL, ("a:\\", ""), "b"),
        (GCP_FILTER, ("a='", "'"), "b"),
    ],
)
def test_a_value_that_cannot_stand_where_it_is_makes_no_link(
    language: Language, written: tuple[str, str], value: str
) -> None:
    with pytest.raises(Refused):
        language.join([Piece(written[0]), Value(value), Piece(written[1])])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("{{ trace_di }}", 'no "trace_di"; did you mean "trace_id"'),
        ("{{ summary }}", 'no "summary"; there are: trace_id, '),
        ("{{ service | uper }}", 'no filter "uper"; did you mean "upper"'),
        ("{{ service", "line 1: "),
        ("{% if service %}", "line 1: "),
        ('{a="{{ service }}', "add the closing one"),
        ('{a="\\{{ service }}"}', "two backslashes"),
        ("{{ labels.k8s.pod }}", r'labels\["k8s.pod"\]'),
        ("{{ labels }}", "as in labels.pod"),
        ("{{ start.year }}", "only labels have parts"),
        ("{{ service.__class__ }}", "only labels have parts"),
        ("{{ service['__class__'] }}", "is unsafe"),
        ("{{ labels.a + 1 }}", "can only concatenate"),
        ("a\x00b", "without control characters"),
        ("x" * 4001, "at most 4000 characters"),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "too deeply nested"),
        ("{{ 'a'" + "+'a'" * 900 + " }}", "too deeply nested"),
    ],
)
def test_a_mistake_in_a_template_is_told_when_the_config_is_read(query: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        options("loki", url="https://g", datasource="d", query=query)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "bomb",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 9**9**9 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ 'a'.center(999999999) }}",
        "{{ 'a' | center(999999999) }}",
        "{{ range(999999999) }}",
        "{% for a in labels %}{% for b in labels %}x{% endfor %}{% endfor %}",
        "{% set a = 'aa' %}{{ a }}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% include 'x' %}",
        "{{ service" + " | replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')" * 20 + " }}",
    ],
)
def test_a_template_bomb_fails_fast(bomb: str) -> None:
    with pytest.raises(ValidationError):
        options("loki", url="https://g", datasource="d", query=bomb)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{ labels.namespace | upper }}", "SHOP"),
        ('{{ labels["k8s.pod"] }}', "cart-0"),
        ('{{ labels.pod | default("none") }}', "none"),
        ('{{ labels["k8s.pod"] | split("-") | first }}', "cart"),
        ('{{ service | replace("-", "_") }}', "cart_api"),
        ('{{ "live" if environment == "prod" else environment }}', "live"),
        ('{% if labels.pod %}{{ labels.pod }}{% elif "namespace" in labels %}ns{% endif %}', "ns"),
        ("{{ service ~ '/' ~ severity }}", "cart-api%2Ferror"),
        ("{{ start }}", "2025-11-03T10%3A00%3A00.000Z"),
        ("{{ end | iso }}", "2025-11-03T10%3A35%3A00.000Z"),
        ("{{ fired_at | epoch_us }}", "1762164900000000"),
        ("{{ xray_trace_id }}", "1-7c9e5a1d-3b4f48c2a6d0e1f2039485b7"),
        ("{{ datadog_trace_id }}", "12020355835010254263"),
        ("a b{% raw %}{{{% endraw %}", "a%20b%7B%7B"),
    ],
)
def test_templates_know_values_filters_and_conditions(template: str, path: str) -> None:
    assert link("url", url=f"https://h/{template}") == f"https://h/{path}"


@pytest.mark.parametrize("name", ["items", "get", "__class__", "pop"])
def test_a_label_is_never_mistaken_for_a_method(name: str) -> None:
    page = f'https://h/{{{{ labels["{name}"] }}}}'
    assert link("url", incident(labels={name: "a"}), url=page) == "https://h/a"
    assert link("url", incident(labels={}), url=page) is None


@pytest.mark.parametrize(
    "page",
    ["https://{{ service }}/", "https://a.{{ service }}.com/", "{{ service }}", "https://h{% if 1 %}/{% endif %}"],
)
def test_no_incident_chooses_the_host(page: str) -> None:
    with pytest.raises(ValidationError, match="begin with the whole host"):
        options("url", url=page)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 10**15) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda tree: st.lists(tree) | st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9]*", fullmatch=True), tree),
    max_leaves=8,
)


@given(TREES)
def test_rison_can_be_read_back(tree: Any) -> None:
    assert read_rison(rison_text(tree)) == tree


@given(TREES.filter(lambda tree: "{}" not in str(tree) and "[]" not in str(tree)))
def test_jsurl_can_be_read_back(tree: Any) -> None:
    assert read_jsurl(jsurl(tree)) == tree


def test_encodings_of_special_characters() -> None:
    text = 'a$ (b) ~ "é" 日 😀 it\'s'
    assert jsurl(text) == "~'a*24*20*28b*29*20*7e*20*22*e9*22*20**65e5*20**d83d**de00*20it*27s"
    assert jsurl([]) == "~(~)"
    assert rison_text({"b": "", "a": ["-x", "1", "é", "ok~/"]}) == "(a:!('-x','1','é',ok~/),b:'')"
    assert dollar("/[$") == "$252F$255B$2524"
    assert percent("()'!* ~é") == "%28%29%27%21%2A%20~%C3%A9"


def test_defaults_show_as_text_in_the_json_schema() -> None:
    shown = LINKS["loki"].model_json_schema()["properties"]["query"]
    assert shown["type"] == "string"
    assert shown["default"].startswith('{service_name="{{ service }}"}')


def test_options_read_back_what_they_were_given() -> None:
    given = {"url": "https://g", "datasource": "d", "query": '{a="{{ service }}"}'}
    assert options("loki", **given).model_dump(mode="json")["query"] == given["query"]
