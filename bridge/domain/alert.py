"""An alert: one normalised statement that a problem is firing or resolved."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What a statement says about its problem."""

    FIRING = "firing"
    RESOLVED = "resolved"
    NOTED = "noted"
    """Something was said (somebody was assigned) that neither starts nor ends the problem."""


class Severity(StrEnum):
    """How bad, in four steps; compare by `rank`."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info to 3 for critical."""
        return _RANKS[self]

    @classmethod
    def from_word(cls, word: str, default: Severity) -> Severity:
        """Return the severity a sender's own word means (`fatal`, `P1`, `page`, …), else the default."""
        return _WORDS.get(word.strip().lower(), default)


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
_WORDS = {
    word: severity
    for severity, words in {
        Severity.CRITICAL: "critical crit fatal page emergency emerg alert disaster p1 sev0 sev1",
        Severity.ERROR: "error err high major p2 sev2",
        Severity.WARNING: "warning warn medium minor p3 sev3",
        Severity.INFO: "info information informational notice debug sample low none p4 p5 sev4 sev5",
    }.items()
    for word in words.split()
}


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A named address a person can open."""

    label: str
    url: str


MATCHERS, ALL_MATCHERS = "{matchers}", "{all matchers}"
"""In a link's address: here the labels are written when it is shown, as many as fit, or all of them or no link."""
SENDERS_WORD = "source_severity"
"""The label in which a sender's own word for the severity stays readable for routes."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One statement about one problem.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    source: str
    """Name of the source in the config."""
    fingerprint: str
    """Which problem: see `fingerprint()`."""
    event_id: str
    """Which statement: the same statement delivered twice has the same one."""
    status: Status
    severity: Severity
    at: datetime
    """When the sender says this became so; statements about one problem are ordered by it. Aware."""
    title: str
    """One line: the name of the problem."""
    summary: str = ""
    """One paragraph: exception type and value, or the reason in the sender's words."""
    details: str = ""
    """Several lines: the top of the stack, the datapoints."""
    service: str = ""
    environment: str = ""
    url: str = ""
    """Where the sender shows this problem to a person."""
    labels: dict[str, str] = {}
    """For routes and link templates; `source`, `severity`, `service`, `environment` are added when routing."""
    facts: dict[str, str] = {}
    """What else a person wants to read, in order: release, culprit, users, …"""
    links: tuple[Link, ...] = ()
    """More addresses the sender gave: Runbook, Dashboard, Silence."""
    trace_id: str = ""
    """32 lower-case hex digits, or empty; found by `enrich.trace`, unless the source knows it for certain."""
    carriers: dict[str, str] = {}
    """Raw values in which a trace id may travel, by header or key name (`traceparent`, `X-Amzn-Trace-Id`, …).

    Read by `enrich.trace` in the receiver and emptied there: never stored.
    """
    redactions: int = 0
    """How many values `enrich.scrub` took out."""
    said_at: datetime | None = None
    """When it was said, from a sender that repeats what still is so and dates it by its beginning (Alertmanager)."""
    number: int = 0
    """Of a note by the bridge itself: the number of the incident it is about, be that resolved by now.

    0: it is about the one that is open.
    """


def fingerprint(*parts: str) -> str:
    """Return 24 hex digits that name a problem.

    The parts are encoded as a list before they are hashed, so `("a", "bc")` and `("ab", "c")` differ.
    """
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=12).hexdigest()


def event_id(*parts: str | bytes) -> str:
    """Return 16 hex digits that name a statement; parts as in `fingerprint()`."""
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=8).hexdigest()


def from_epoch(seconds: float) -> datetime:
    """Return the aware UTC time of a Unix time in seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def epoch_ms(at: datetime) -> int:
    """Return the Unix time in whole milliseconds, cut off as the store's scripts cut it: theirs compare with it."""
    return (at - _EPOCH) // _MILLISECOND


_EPOCH = from_epoch(0)
_MILLISECOND = timedelta(milliseconds=1)
