"""Log lines: events with fields, as JSON or for a console; to stderr, because stdout is for data."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import structlog

Format = Literal["json", "console", "auto"]
PIECE = 4096
"""Bytes that a pipe takes whole, so that lines of several processes do not run into each other (PIPE_BUF, Linux)."""
_written: Callable[[Iterable[MutableMapping[str, Any]]], None] | None = None
"""Writes info lines as JSON; None where lines are made one by one, for a console or a test."""


def set_up(level: str = "info", form: Format = "auto", mask: Callable[[str], str] = str) -> None:
    """Send our own log events and those of libraries through one formatter; `mask` takes secrets out of every line.

    `auto` is console on a terminal, and below an `up` that runs on one; else JSON.
    """
    person = sys.stderr.isatty() or bool(os.environ.get("ALERT_BRIDGE_CONSOLE"))
    console = form == "console" or (form == "auto" and person)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _without_nothing,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # rich's shows local variables
        )
        if console
        else structlog.processors.JSONRenderer(_text)
    )

    def masked(_: Any, __: str, line: Any) -> Any:
        return mask(line) if isinstance(line, str) else mask(line.decode()).encode()

    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, last, masked] if console else [*shared, _tracebacks, _line, masked],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=(
            structlog.PrintLoggerFactory(sys.stderr) if console else structlog.BytesLoggerFactory(sys.stderr.buffer)
        ),
        cache_logger_on_first_use=True,
    )
    global _written
    write = structlog.BytesLogger(sys.stderr.buffer).msg
    bulk = (lambda lines: _write_all(lines, write, mask)) if number <= logging.INFO else lambda _: None
    _written = None if console else bulk
    foreign = logging.StreamHandler(sys.stderr)
    shown: list[Any] = [_plain, last, masked] if console else [_plain, _tracebacks, last, masked]
    foreign.setFormatter(structlog.stdlib.ProcessorFormatter(processors=shown, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[foreign], level=max(number, logging.WARNING), force=True)


def several(log: Any, event: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write an info line for each of some events of one kind: as `log.info(event, **row)` would, but at once."""
    if _written is None:
        for row in rows:
            log.info(event, **row)
        return
    more = structlog.contextvars.get_contextvars() | {"event": event, "level": "info"}
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    _written(_without_nothing(None, "", {**row, **more, "timestamp": stamp}) for row in rows)


def _write_all(
    lines: Iterable[MutableMapping[str, Any]], write: Callable[[bytes], object], mask: Callable[[str], str]
) -> None:
    text = b"\n".join(_line(None, "", line) for line in lines)
    for piece in _pieces(mask(text.decode()).encode()):
        write(piece)


def _pieces(lines: bytes) -> Iterator[bytes]:
    """Yield lines, as many at once as a pipe takes whole, without the end of the last one."""
    start = 0
    while len(lines) - start >= PIECE:
        end = lines.rfind(b"\n", start, start + PIECE)
        end = lines.find(b"\n", start) if end < 0 else end  # a line longer than that
        if end < 0:
            break
        yield lines[start:end]
        start = end + 1
    if start < len(lines):
        yield lines[start:]


_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
"""Without local variables, which hold tokens and what was not yet scrubbed."""
_encode = msgspec.json.Encoder(enc_hook=repr).encode


def _line(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    """Render our own events: one line for each request and alert, so this is on the hot path."""
    try:
        return _encode(event)
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, a huge number: a line must never fail
        return json.dumps(event, default=repr).encode()


def _text(event: MutableMapping[str, Any], **_: Any) -> str:
    return _line(None, "", event).decode()


def _without_nothing(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if value is not None and value != ""}


def _plain(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    event["event"] = " ".join(str(event["event"]).split())  # some libraries write several lines
    return event
