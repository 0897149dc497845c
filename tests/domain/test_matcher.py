"""Matchers: Alertmanager's syntax, and what they accept."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.matcher import Matcher, Op, parse_matchers
from tests.machine import slowness

PATTERNS = ["critical|error", "api-.*", "a.b", "(?i)prod", r"\d+", "", "|x", "[^a]+", "a b|c/d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("severity=critical", [("severity", "=", "critical")]),
        ('severity="critical"', [("severity", "=", "critical")]),
        (' severity  !=  "x" ', [("severity", "!=", "x")]),
        ('service=~"api|web"', [("service", "=~", "api|web")]),
        ("service!~api.*", [("service", "!~", "api.*")]),
        ('a="1",b!=2', [("a", "=", "1"), ("b", "!=", "2")]),
        ('{a="1", b!=2,}', [("a", "=", "1"), ("b", "!=", "2")]),
        ("a=b,", [("a", "=", "b")]),
        ("{}", []),
        ("", []),
        ('a=""', [("a", "=", "")]),
        (r'a="say \"hi\"\n\\"', [("a", "=", 'say "hi"\n\\')]),
        (r'a=~"\d+\.example\.com"', [("a", "=~", r"\d+\.example\.com")]),
        (r'a="\u00e9\U0001F642"', [("a", "=", "é🙂")]),
        ('"label with space"=x', [("label with space", "=", "x")]),
        ("größe=groß", [("größe", "=", "groß")]),
        ("k8s.io/name=x", [("k8s.io/name", "=", "x")]),
        ('a="{b=c}, d"', [("a", "=", "{b=c}, d")]),
    ],
)
def test_the_syntax_of_alertmanager_is_read(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(m.name, m.op, m.value) for m in parse_matchers(text)] == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("severity", "expected an operator (=, !=, =~ or !~), but the text ends at position 9"),
        ("severity=", "expected a value"),
        ("=critical", "expected the name of a label, but there is = at position 1"),
        ('""=x', "is no name of a label"),
        ("a==b", "expected a value, in double quotes"),
        ("a=~b c", "expected a comma before the next matcher, but there is c at position 6"),
        ("a='b'", "in double quotes if it holds spaces or any of"),
        ('a="b', "a second double quote, but one opens that is never closed at position 3"),
        ("{a=b", "expected a comma, or } at the end"),
        ("a=b}", "there is } at position 4"),
        ("a=b,,c=d", "there is , at position 5"),
        (",", "expected the name of a label"),
        ("!", "expected the name of a label, but there is ! at position 1"),
        ('a=~"b("', "is not a regular expression that RE2 takes (missing ): b()"),
        ('a=~"(?=b)"', "RE2 has no look-around"),
        (r'a="\ud800"', "is no Unicode character"),
        (r'a="\UFFFFFFFF"', "is no Unicode character"),
    ],
)
def test_a_bad_matcher_is_refused_with_the_position_and_what_was_expected(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"position|write") as refusal:
        parse_matchers(text)
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("a=x", "x", True),
        ("a=x", "xy", False),
        ("a!=x", "y", True),
        ("a=~x", "xy", False),
        ("a=~x.*", "xy", True),
        ("a=~.x|y", "yy", False),
        ('a=~"x|y"', "y", True),
        ('a=~"x|y"', "x|y", False),
        ("a!~x.*", "xy", False),
        ("a!~x.*", "zxy", True),
        ("a=~(?i)PROD", "prod", True),
        ("a=~x.y", "x\ny", False),
    ],
)
def test_a_matcher_compares_the_whole_value(text: str, value: str, holds: bool) -> None:
    assert [m.matches({"a": value}) for m in parse_matchers(text)] == [holds]


@pytest.mark.parametrize(("text", "holds"), [('a=""', True), ("a!=x", True), ("a=~.*", True), ("a=~.+", False)])
def test_a_missing_label_is_the_empty_text(text: str, holds: bool) -> None:
    assert [m.matches({}) for m in parse_matchers(text)] == [holds]


def test_an_exploding_pattern_answers_in_linear_time() -> None:
    matcher = Matcher("a", Op.MATCHES, "(x+x+)+y")
    began = time.process_time()
    assert not matcher.matches({"a": "x" * 20_000})
    assert time.process_time() - began < 2 * slowness()


def test_equal_matchers_are_equal_and_hash_alike() -> None:
    assert {Matcher("a", Op.MATCHES, "b+"), *parse_matchers("a=~b+")} == {Matcher("a", Op.MATCHES, "b+")}


@given(
    st.text(min_size=1),
    st.one_of(
        st.tuples(st.sampled_from([Op.EQUAL, Op.NOT_EQUAL]), st.text()),
        st.tuples(st.sampled_from([Op.MATCHES, Op.MATCHES_NOT]), st.sampled_from(PATTERNS)),
    ),
)
def test_a_matcher_written_out_reads_as_itself(name: str, compared: tuple[Op, str]) -> None:
    matcher = Matcher(name, *compared)
    assert parse_matchers(str(matcher)) == (matcher,)
    assert parse_matchers("{" + f"{matcher}, {matcher}" + "}") == (matcher, matcher)


@given(st.text(alphabet="ab{}!=~,\\\"'` \n\\u0ü("))
def test_any_text_is_matchers_or_a_value_error(text: str) -> None:
    try:
        found = parse_matchers(text)
    except ValueError:
        return
    assert parse_matchers(",".join(map(str, found))) == found


@given(st.text(alphabet="ab|-/ ", max_size=8), st.text(alphabet="ab|-/ ", max_size=4))
def test_a_choice_of_words_means_the_same_as_to_the_engine(pattern: str, value: str) -> None:
    grouped = Matcher("a", Op.MATCHES, f"(?:{pattern})")  # brackets keep it from being read as plain words
    assert Matcher("a", Op.MATCHES, pattern).matches({"a": value}) == grouped.matches({"a": value})
