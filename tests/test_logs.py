"""Log lines: events with fields, one line each, on stderr."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAD = "import logging, structlog, sys\nfrom bridge import logs\n"


def written(level: str, form: str, *lines: str, **environ: str) -> tuple[str, str]:
    """Return what a process writes to stdout and stderr that has set up its logs so."""
    script = HEAD + f"logs.set_up({level!r}, {form!r})\nlog = structlog.get_logger('bridge')\n" + "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300, env=environ
    )
    return done.stdout, done.stderr


def events(*lines: str, level: str = "info") -> list[dict[str, object]]:
    """Return the JSON lines."""
    out, err = written(level, "json", *lines)
    assert out == "", "stdout is for data"
    return [json.loads(line) for line in err.splitlines()]


def test_an_event_is_one_line_with_its_fields_level_and_time_in_utc() -> None:
    (line,) = events("log.info('delivered', incident='a-1', attempt=2, again_in_s=1.5)")

    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"event": "delivered", "level": "info", "incident": "a-1", "attempt": 2, "again_in_s": 1.5}


def test_what_there_is_nothing_of_is_left_out() -> None:
    (line,) = events("log.info('delivered', reason=None, trace_id='', attempt=0)")

    assert set(line) == {"event", "level", "timestamp", "attempt"}


def test_any_text_is_one_line() -> None:
    (line,) = events(r"log.warning('unverified', reason='two\nlines \x1b[31m결제\udcff')")

    assert "결제" in str(line["reason"])


def test_what_is_below_the_level_is_not_written() -> None:
    lines = events("log.debug('a')", "log.info('b')", "log.warning('c')", "log.error('d')", level="warning")

    assert [line["event"] for line in lines] == ["c", "d"]


def test_libraries_are_heard_from_warnings_on_in_the_same_form_and_on_one_line() -> None:
    lines = events(
        "logging.getLogger('httpx').info('GET https://example.com/')",
        r"logging.getLogger('celery').error('Cannot connect.\nTrying again\n')",
    )

    (line,) = lines
    assert (line["event"], line["level"]) == ("Cannot connect. Trying again", "error")


MANY = "logs.several(log, 'ingested', [{'incident': f'{i}-1', 'trace_id': i % 2 * 'ab', 'n': None} for i in range(99)])"


def test_several_events_are_as_many_lines_as_one_by_one() -> None:
    at_once = events("structlog.contextvars.bind_contextvars(worker=7)", MANY)
    by_one = events(
        "structlog.contextvars.bind_contextvars(worker=7)",
        "for i in range(99): log.info('ingested', incident=f'{i}-1', trace_id=i % 2 * 'ab')",
    )

    times = [str(line.pop("timestamp")) for line in at_once + by_one]
    assert at_once == by_one
    assert {len(time) for time in times} == {len("2026-11-21T07:01:28.636000Z")}


def test_several_events_are_cut_between_lines() -> None:
    lines = events(*(f"logs.several(log, 'e', [{{'text': 'x' * {n}}}] * 3)" for n in (0, 1, 2000, 4015, 4016, 9000)))

    assert [len(str(line.get("text", ""))) for line in lines] == [
        n for n in (0, 1, 2000, 4015, 4016, 9000) for _ in "abc"
    ]


def test_several_events_are_masked_and_held_to_the_level_too() -> None:
    mask = "logs.set_up('info', 'json', lambda text: text.replace('hunter2', '***'))"
    two = "logs.several(log, 'ingested', [{'incident': 'hunter2'}, {'incident': 'b'}])"

    assert [line["incident"] for line in events(mask, two)] == ["***", "b"]
    assert events(two, level="warning") == []
    _, err = written("info", "console", two)
    assert [line.partition("incident=")[2].strip() for line in err.splitlines()] == ["hunter2", "b"]


def test_an_exception_is_told_without_the_values_of_variables() -> None:
    (line,) = events("token = 'xoxb-secret'", "try: 1 / 0", "except ZeroDivisionError: log.exception('sweep_broken')")

    assert "ZeroDivisionError" in json.dumps(line)
    assert "xoxb-secret" not in json.dumps(line)


def test_on_a_console_a_line_is_for_reading() -> None:
    _, err = written("info", "console", "log.info('delivered', incident='a-1')")

    assert "delivered" in err
    assert "incident=a-1" in err
    assert not err.startswith("{")


@pytest.mark.parametrize(("environ", "console"), [({}, False), ({"ALERT_BRIDGE_CONSOLE": "1"}, True)])
def test_auto_is_for_machines_unless_a_person_looks(environ: dict[str, str], console: bool) -> None:
    _, err = written("info", "auto", "log.info('delivered')", **environ)

    assert err.startswith("{") is not console
    assert "\x1b" not in err
