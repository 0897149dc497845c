"""An incident's chain of decisions: what happened to it and why, a short line each.

Lies in the field `y` of the incident's record, written by the scripts that decide (`tell` in wants.lua). A line is
`at|mark|where|count|times|last|until|text`, times in ms; what would say the same as the line before is counted
there, and beyond 40 lines the middle is counted as forgotten. Mere repeats and duplicates write no line: each line
carries the incident's count as it was then, and duplicates are counted beside.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from bridge.domain.alert import epoch_ms, from_epoch
from bridge.domain.words import clip

TEXT_LIMIT = 200


class Mark(StrEnum):
    """What a step was, in one letter."""

    OPENED = "o"
    RECURRED = "c"
    WORSENED = "w"
    EASED = "e"
    RESOLVED = "z"
    REOPENED = "p"
    NOTED = "n"
    LATE = "l"
    MOOT = "m"
    ROUTED = "r"
    GATED = "g"
    CREATED = "C"
    """An attempt made the message, the issue, new at a destination."""
    FOUND = "F"
    """What an interrupted attempt had left was found again."""
    TOLD = "T"
    ENDED = "E"
    """There was nothing to do."""
    WAIT = "W"
    RETRY = "R"
    UNKNOWN = "U"
    DEAD = "D"
    SHED = "S"
    FALLBACK = "B"
    REPLAYED = "Y"
    DROPPED = "X"
    RECOVERY = "H"
    """What became of a recovery action, but for its result: that is a note."""
    FORGOTTEN = "~"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the chain."""

    at: datetime
    mark: Mark
    where: str = ""
    """The destination it is about, or empty."""
    count: int = 0
    """The incident's count after it."""
    times: int = 1
    """How often in a row the same was the case."""
    last: datetime | None = None
    """When it last was, if more than once."""
    until: datetime | None = None
    """When it is looked at again."""
    text: str = ""

    def line(self) -> str:
        """Return the step as it is stored."""
        until = epoch_ms(self.until) if self.until else ""
        text = self.text if self.text.isprintable() else " ".join(self.text.split())
        text = clip(text, TEXT_LIMIT)
        return f"{epoch_ms(self.at)}|{self.mark}|{self.where}|{self.count}|||{until}|{text}"


class Repeated(msgspec.Struct, frozen=True):
    """Statements that were delivered again after they had been counted."""

    times: int
    last: datetime
    trace: str
    """Trace id of the newest request that held one."""


def chain_of(field: bytes) -> tuple[Step, ...]:
    """Return the steps that a record's field holds, oldest first; what a newer bridge wrote is left out."""
    return tuple(_step(line) for line in field.decode().split("\n") if _known(line))


def repeated_of(times: bytes, last: bytes) -> Repeated | None:
    """Return the duplicates that a record's fields `d` and `l` count."""
    ms, _, trace = last.decode().partition("|")
    return Repeated(int(times), _at(ms), trace) if times and ms else None


def packed(repeated: Repeated) -> tuple[int, str, str]:
    """Return duplicates as the script takes them."""
    return repeated.times, str(epoch_ms(repeated.last)), repeated.trace


def _known(line: str) -> bool:
    return line.count("|") >= 7 and line.split("|", 2)[1] in _MARKS


def _step(line: str) -> Step:
    at, mark, where, count, times, last, until, text = line.split("|", 7)
    return Step(
        at=_at(at),
        mark=Mark(mark),
        where=where,
        count=int(count),
        times=int(times or 1),
        last=_at(last) if last else None,
        until=_at(until) if until else None,
        text=text,
    )


_MARKS = frozenset(map(str, Mark))


def _at(ms: str) -> datetime:
    return from_epoch(int(ms) / 1000)
