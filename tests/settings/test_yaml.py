"""YAML, its surprises and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from bridge.settings import ConfigError, Settings, parse
from bridge.wiring import kinds
from tests.settings.configs import ENVIRON, FILE, problems, settings, with_small

EXAMPLES = [path.read_text() for path in sorted(Path(__file__).parents[2].glob("config/**/*.yaml"))]
PIECES = [
    *("sources:", "destinations:", "routes:", "links:", "scrub:", "timezone:", "incidents:", "redis:", "log:", "x-a:"),
    *("kind: sentry", "kind: slack", "kind: jira", "kind: loki", "kind: url", "client_secret: x", "to: [oncall]"),
    *(
        "- ",
        "  ",
        "\n",
        "\n  ",
        "\n    ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        '"',
        "'",
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "!x ",
    ),
    *(
        "${A}",
        "${A:-b}",
        "$${",
        "~",
        "null",
        "yes",
        "1e999",
        "0x_",
        "10:30",
        "2020-01-01",
        "\t",
        "é",
        "|",
        ">",
        "#",
        "?",
    ),
    *('"\\ud800"', '"\\UFFFFFFFF"', "%YAML 1.1", "---", "...", "token_file: x", "url: https://h", "for: 5m", "fields:"),
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", '1:5  there is a ": " where none can be: put the value in quotes'),
        ("sources:\n\tsentry: x", "2:1  a tab stands here: indent with spaces"),
        ("sources:\n  a: {b: c\nd: e", "a comma or a closing bracket is missing before this"),
        ("a: {b: ${C}, d: e}", '1:9  between { } or [ ] a variable stands in quotes: write "${NAME}"'),
        ('a: {b: "${C}" d: e}', "a comma or a closing bracket is missing before this"),
        ('sources: "abc\n', "1:10  a quote opens here that is never closed"),
        ("sources:\n  a: 1\n b: 2\n", "3:2  this does not fit what stands above: indent it like the lines"),
        ("sources: *nope", "1:10  there is no &anchor of this name above"),
        ("sources: @x", "1:10  a value can't begin with this character: put it in quotes"),
        ("sources: %x", "1:10  a value can't begin with this character: put it in quotes"),
        ('sources: "a\\.b"', "in double quotes a backslash begins an escape: use single quotes, or write it twice"),
        ("a: 1\n---\nb: 2\n", "2:1  a second document begins here: remove the line ---"),
        (
            "sources: {a: 1}\nsources: {b: 2}",
            '2:1  sources: the key "sources" is already on line 1: remove one of the two',
        ),
        ("a: \x07", "1:4  the character #x0007 can't stand in YAML: remove it"),
        ("a: &a [*a]", "1:4  an alias (*name) stands inside what it names: remove it"),
        ("? [a]\n: b", "1:3  a key has to be a word"),
        ("<<: 5", "1:5  <<: takes a map or a list of maps"),
        ("sources: !secret x", "1:10  sources: the tag !secret means nothing here: remove it"),
        ("sources: !!set {a}", "the tag tag:yaml.org,2002:set means nothing here"),
        ('a: "\\ud800"', "1:4  half a character"),
        ('a: "\\UFFFFFFFF"', "1:1  this is no YAML"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_said_in_an_operators_words(text: str, said: str) -> None:
    found = problems(text)
    assert any(said in line for line in found), found


def test_a_text_that_is_not_utf8_says_from_where_on() -> None:
    assert problems(b"a: b\nc: \xe9") == ["2:4  is not UTF-8 text from here on: save the file as UTF-8"]
    assert problems("a: é".encode("utf-16")) == ["1:1  is not UTF-8 text from here on: save the file as UTF-8"]


def test_a_mark_at_the_beginning_of_the_file_does_no_harm() -> None:
    assert parse(b"\xef\xbb\xbf" + with_small("").encode(), FILE, kinds(), ENVIRON).routes


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9))]
    found = problems("\n".join(lines))
    assert len(found) == 1
    assert "far too large" in found[0]


def test_anchors_are_kept_at_keys_beginning_with_x_and_merged() -> None:
    found = settings("""\
        x-slack: &slack {kind: slack, token: "${TOKEN}", channel: C0DEFAULT}
        sources:
          sentry: {kind: sentry, client_secret: "${SECRET}"}
        destinations:
          a: {<<: *slack, channel: C0OWN}
          b: *slack
          c: {channel: C0OWN, <<: [*slack, {min_count: 2}]}
        """)
    assert [one.options.channel for one in found.destinations.values()] == [  # type: ignore[attr-defined]  # Slack's
        "C0OWN",
        "C0DEFAULT",
        "C0OWN",
    ]
    assert found.destinations["c"].threshold.min_count == 2


def test_a_mistake_that_is_merged_in_is_told_where_it_stands() -> None:
    text = with_small("").replace(
        'oncall: {kind: slack, token: "${TOKEN}", channel: C0ONCALL}', "oncall: {<<: *slack, for: 5m}"
    )
    found = problems('x-slack: &slack {kind: slack, token: "${TOKEN}", channel: general}\n' + text)
    assert len(found) == 1
    assert found[0].startswith("1:59  destinations.oncall.channel:")


@pytest.mark.parametrize("value", ["10:30", "2020-01-01", "0x_", "=", "1_000:10.5"])
def test_what_only_yaml_takes_for_a_number_or_a_date_stays_text(value: str) -> None:
    assert problems(with_small(f"public_url: {value}"))[0].endswith(
        "is not an address that the bridge can build on: write https://host or https://host/path"
    )


def test_a_problem_is_one_line_whatever_the_key_or_value() -> None:
    found = problems(with_small('"a\\nb\\e[2J": 1\npublic_url: "x\\ry"\nx: |\n  a\n  b\n'))
    assert len(found) == 3
    assert all(line.isprintable() for line in found)


def outcome(text: str) -> Settings | ConfigError:
    try:
        return parse(text.encode(), FILE, kinds(), {"A": "a", **ENVIRON})
    except ConfigError as error:
        return error


def check(text: str) -> None:
    found = outcome(text)
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(problem.message and problem.line >= 1 and problem.column >= 1 for problem in found.problems)
        assert str(found).encode()


@given(st.text())
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_anything_like_a_config_is_settings_or_a_config_error(text: str) -> None:
    check(text)


@how(deadline=None)  # the shipped config is long, and machines that run tests are busy
@given(st.sampled_from(EXAMPLES), st.integers(0, 10_000), st.integers(0, 20), st.sampled_from([*PIECES, ""]))
def test_a_config_with_a_slip_is_settings_or_a_config_error(text: str, at: int, gone: int, slip: str) -> None:
    at %= len(text)
    check(text[:at] + slip + text[at + gone :])


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1m", "error", "a=b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_any_value_at_any_option_is_settings_or_a_config_error(data: st.DataObject) -> None:
    room, known = data.draw(
        st.sampled_from(
            [("sources", kinds().sources), ("destinations", kinds().destinations), ("links", kinds().links)]
        )
    )
    kind = data.draw(st.sampled_from(sorted(known)))
    names = [*known[kind].model_fields, "for", "min_count", "token_file"]
    entry = data.draw(st.dictionaries(st.sampled_from(names), DATA, max_size=6)) | {"kind": kind}
    check(json.dumps({room: [entry] if room == "links" else {"name": entry}}))
