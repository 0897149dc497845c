"""Tables on a terminal: as wide as they like, or as there is room; on nothing else are they changed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from bridge import wiring
from bridge.cli.layout import FLOOR, WIDEST, listed, told
from bridge.cli.screen import cut, one_line, width, wrapped
from bridge.domain.alert import Alert, Severity, Status
from bridge.store.inbox import Inbox
from tests.cli.conftest import Shell

KOREAN = "결제 승인 실패: 카드사 응답 없음"
HEAD = ["id", "status", "last seen", "service", "title", "told"]
TIME = "2026-11-21 16:01:36+09:00"
ROW = ["fc55be47ce8d74b2c6b38475-1", "firing", TIME, "결제-api", KOREAN * 2, "oncall, tickets OPS-2"]
FIXED = {0, 2}
TEXT = st.text(st.characters(categories=["L", "M", "N", "P", "Zs"]), max_size=60).map(one_line)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("checkout", 8),
        (KOREAN, 32),
        ("\u1112\u1161\u11ab", 2),  # 한, in its three parts
        ("e\u0301te\u0301", 3),
        ("日本", 4),
        ("…", 1),
        ("🔥", 2),
    ],
)
def test_a_texts_width_is_what_a_terminal_gives_it(text: str, columns: int) -> None:
    assert width(text) == columns


@given(TEXT, st.integers(1, 40))
def test_a_cut_text_has_room_and_says_that_it_was_cut(text: str, columns: int) -> None:
    shown = cut(text, columns)

    assert width(shown) <= columns
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


@given(TEXT, st.integers(1, 40))
def test_a_wrapped_text_loses_nothing(text: str, columns: int) -> None:
    lines = wrapped(text, columns)

    assert " ".join(lines) == text
    assert all(width(line) <= columns or " " not in line for line in lines)


def test_what_has_room_is_left_as_it_is() -> None:
    assert list(listed([HEAD, ROW], None, FIXED)) == list(listed([HEAD, ROW], 200, FIXED))
    assert len(list(listed([HEAD, ROW], 200, FIXED))) == 2


@pytest.mark.parametrize(("room", "lines"), [(150, 1), (130, 1), (110, 2), (80, 2), (60, 3)])
def test_the_widest_texts_are_shortened_and_what_has_no_room_then_goes_below(room: int, lines: int) -> None:
    shown = list(listed([HEAD, ROW], room, FIXED))

    assert len(shown) == 2 * lines
    assert max(map(width, shown)) <= room
    assert ROW[0] in shown[lines]
    assert any(ROW[2] in line for line in shown), "a time is never shortened"
    assert any("oncall, tickets" in line for line in shown)


def test_a_list_at_80_columns() -> None:
    assert list(listed([HEAD, ROW], 80, FIXED)) == [
        "id                          status  last seen                  service",
        "    title                                                  told",
        "fc55be47ce8d74b2c6b38475-1  firing  2026-11-21 16:01:36+09:00  결제-api",
        "    결제 승인 실패: 카드사 응답 없음결제 승인 실패: 카드…  oncall, tickets OPS-2",
    ]


@given(st.lists(st.lists(TEXT, min_size=4, max_size=4), min_size=1, max_size=4), st.integers(60, 120))
def test_any_list_of_texts_has_room(rows: list[list[str]], room: int) -> None:
    assert all(width(line) <= room for line in listed(rows, room, set()))


def test_no_text_of_a_list_is_endless_where_there_is_no_terminal() -> None:
    (line,) = listed([["x" * 500, "name" * 40]], None, {1})

    assert line == "x" * (WIDEST - 1) + "…" + "  " + "name" * 40


def test_of_one_thing_everything_is_shown_below_its_own_beginning() -> None:
    address = "https://example.slack.com/archives/C0ONCALL/p1795244488656310"
    shown = list(told([["what", "is"], ["summary", KOREAN], ["where", address]], 9 + FLOOR))

    assert shown == ["what     is", "summary  결제 승인 실패:", "         카드사 응답 없음", f"where    {address}"]


@pytest.mark.parametrize("text", ["\x1b]0;mine\x07 a", "a\x9b31m", "a\u202eb", "a\nb\tc"])
def test_what_a_terminal_would_obey_is_not_passed_on(text: str) -> None:
    assert one_line(text).isprintable()


# --- on a terminal -----------------------------------------------------------------------------------------


@pytest.fixture
def taken(shell: Shell, redis_client: redis.Redis) -> Shell:
    """A shell of a bridge with one incident with a long Korean title."""
    from bridge.pipeline.ingest import ingest

    settings = wiring.load({k: v for k, v in shell.environ.items() if v is not None})
    parts = wiring.parts(settings, wiring.celery(settings))
    title = f"\x1b[2J{KOREAN} {KOREAN}"
    one = Alert(
        fingerprint="f" * 24, event_id="e", source="sentry", status=Status.FIRING, severity=Severity.ERROR,
        title=title, at=datetime(2026, 7, 1, tzinfo=UTC), service="결제-api", summary=f"{KOREAN} " * 4,
    )  # fmt: skip
    Inbox(wiring.keyspace(settings)).put([one])
    ingest(parts)
    return shell


def on_a_terminal(shell: Shell, columns: int, argv: Sequence[str]) -> list[str]:
    """Return what a command shows on a terminal of so many columns."""
    environ = {**os.environ, **{k: v for k, v in shell.environ.items() if v is not None}, "COLUMNS": str(columns)}
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "bridge.cli", *argv], env=environ, stdout=theirs) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
    assert process.returncode == 0
    return shown.decode().splitlines()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def in_a_pipe(shell: Shell, columns: int, argv: Sequence[str]) -> list[str]:
    """Return what a command writes where there is no terminal."""
    return shell.run(*argv, COLUMNS=str(columns)).stdout.splitlines()


@pytest.mark.parametrize("columns", [60, 80])
def test_a_terminal_gets_what_it_has_room_for(taken: Shell, columns: int) -> None:
    shown = on_a_terminal(taken, columns, ["incidents"])

    assert max(map(width, shown)) <= columns
    assert any("…" in line for line in shown)
    assert any("f" * 24 + "-1" in line for line in shown)
    assert not any("\x1b" in line for line in shown)


def test_one_incident_is_shown_whole_on_a_narrow_terminal(taken: Shell) -> None:
    shown = on_a_terminal(taken, 60, ["incidents", "f" * 24])

    assert max(map(width, shown)) <= 60
    assert " ".join(" ".join(shown).split()).count(KOREAN) == 6
    assert not any("…" in line for line in shown)


@pytest.mark.parametrize(("argv", "lines"), [(["incidents"], 2), (["incidents", "-o", "json"], None)])
def test_a_pipe_and_json_know_no_columns(taken: Shell, argv: Sequence[str], lines: int | None) -> None:
    shown = in_a_pipe(taken, 60, argv)

    assert KOREAN + " " + KOREAN in "\n".join(shown)
    assert lines is None or len(shown) == lines


def test_json_is_the_same_on_a_terminal(taken: Shell) -> None:
    assert on_a_terminal(taken, 60, ["incidents", "-o", "json"]) == in_a_pipe(taken, 60, ["incidents", "-o", "json"])
