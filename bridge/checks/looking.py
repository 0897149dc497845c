"""One look of any kind: its deadline, what it notes on its way, and the observation made of that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter

from bridge.domain.observation import Fault, Observation
from bridge.domain.words import clip

LINE = 200
"""Longest text from outside that is shown."""

LINES = 100
"""Lines in which one with anything in it is looked for: a body of empty ones must not keep other looks waiting."""

ORDER = ("Status", "First byte", "Total", "Body", "Answer", "Records", "Redirected to", "Address", "Certificate")


class Wrong(Exception):
    """What came is not what was expected; the text is `got`."""

    def __init__(self, fault: Fault, got: str) -> None:
        super().__init__(got)
        self.fault = fault
        self.got = got


@dataclass
class Notes:
    """What a look notes on its way."""

    secrets: tuple[str, ...] = ()
    """What the target is sent and might send back."""
    phase: str = ""
    """What it waits for, as in "no answer within 10 s while connecting"."""
    facts: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)
    ends: float = 0.0
    """When the look's time is over, by the loop's clock."""

    def line(self, text: str, limit: int = LINE) -> str:
        """Return a text from outside as one clipped line without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return plain(text, limit)

    def first_line(self, text: str) -> str:
        """Return the first line with anything in it, clipped, without secrets; "" if the first hundred are empty."""
        return next((shown for one in text.splitlines()[:LINES] if (shown := self.line(one))), "")


@dataclass(frozen=True)
class Glance:
    """What a look is bound by, and what it hopes to see."""

    timeout: timedelta
    expected: str
    slower_than: timedelta | None = None
    secrets: tuple[str, ...] = ()


async def looked(
    glance: Glance, now: datetime, look: Callable[[Notes], Awaitable[str]], trace_id: str = ""
) -> Observation:
    """Return what a look saw; `look` returns what came, or raises Wrong. It is ended when its time is over."""
    notes = Notes(glance.secrets)
    fault: Fault | None = None
    try:
        async with asyncio.timeout(glance.timeout.total_seconds()) as deadline:
            notes.ends = deadline.when() or 0.0
            got = await look(notes)
    except Wrong as wrong:
        fault, got = wrong.fault, wrong.got
    except TimeoutError:
        fault, got = Fault.TIMEOUT, f"no answer within {span(glance.timeout)} while {notes.phase}"
    took = timedelta(seconds=perf_counter() - notes.began)
    if fault is None and glance.slower_than is not None and took > glance.slower_than:
        fault = Fault.SLOW
    return Observation(
        at=now,
        took=took,
        fault=fault,
        expected=glance.expected,
        got=got,
        facts=_ordered(notes.facts),
        trace_id=trace_id,
    )


def _ordered(facts: dict[str, str]) -> dict[str, str]:
    return {key: facts[key] for key in sorted(facts, key=lambda key: ORDER.index(key) if key in ORDER else len(ORDER))}


def span(time: timedelta) -> str:
    """Return a time as people read it: "0.4 ms", "120 ms", "2.5 s", "12 s"."""
    seconds = time.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else f"{seconds * 1000:.1g} ms"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def since(began: float) -> str:
    """Return how long ago a moment of `perf_counter` was, as people read it."""
    return span(timedelta(seconds=perf_counter() - began))


def within(limit: timedelta | None) -> str:
    """Return in words how fast a look has to be, "" for no limit."""
    return f"within {span(limit)}" if limit else ""


def in_words(*parts: str) -> str:
    """Return what is expected in one clipped line."""
    return plain(", ".join(filter(None, parts)), 300)


def plain(text: str, limit: int = LINE) -> str:
    """Return a text from outside as one clipped line, without control and invisible characters."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 8 * limit])
    return clip(" ".join(shown.split()), limit)
