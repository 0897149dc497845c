"""An incident: the state of one problem; `advance.py` moves it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from bridge.domain.alert import Link, Severity, Status

TIMELINE_LIMIT = 30
"""Entries an incident keeps; older ones are forgotten (they stand in the Slack thread and the Jira comments)."""


class Change(StrEnum):
    """What a statement did to an incident: the named reason of every decision."""

    OPENED = "opened"
    RECURRED = "recurred"
    """As OPENED, but the same problem had an incident that was resolved too long ago to be reopened."""
    REPEATED = "repeated"
    WORSENED = "worsened"
    EASED = "eased"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    NOTED = "noted"
    DUPLICATE = "duplicate"
    """The same statement was delivered before: nothing changes."""
    LATE = "late"
    """A newer statement already decided the status; what this one adds (count, first seen) is counted in."""
    MOOT = "moot"
    """Nothing is open that it could resolve or note."""

    @property
    def worth_telling(self) -> bool:
        """True when people should hear of it: a thread reply, a comment."""
        return self in WORTH_TELLING


WORTH_TELLING = frozenset(
    {
        Change.OPENED,
        Change.RECURRED,
        Change.WORSENED,
        Change.EASED,
        Change.RESOLVED,
        Change.REOPENED,
        Change.NOTED,
    }
)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One line of an incident's history that is worth telling."""

    version: int
    """The incident's version with this change in it; unique within the incident."""
    at: datetime
    change: Change
    text: str
    """A readable clause: "severity raised from warning to critical", "resolved after 12 min"."""


class Incident(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The state of one problem from its first firing to its resolution.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    fingerprint: str
    number: int
    """1 for the first incident of this problem, 2 for the next …"""
    version: int
    """Grows by one with each statement that altered the incident."""
    status: Status
    """FIRING or RESOLVED."""
    severity: Severity
    source: str
    title: str
    summary: str
    details: str
    service: str
    environment: str
    url: str
    labels: dict[str, str]
    facts: dict[str, str]
    links: tuple[Link, ...]
    trace_id: str
    first_seen: datetime
    last_seen: datetime
    """`at` of the newest firing statement."""
    fired_at: datetime
    """Start of the present (or last) spell of firing."""
    stated_at: datetime
    """`at` of the statement that decided `status`."""
    described_by: tuple[datetime, str]
    """`at` and event id of the firing statement that title, severity and the like were taken from."""
    count: int
    """Distinct firing statements; 0 when a resolution came before any firing: nothing is shown outside."""
    reopened: int
    timeline: tuple[Entry, ...]
    redactions: int
    """Secrets and personal data taken out of the statement that had most of them."""

    @property
    def resolved_at(self) -> datetime | None:
        """When the newest resolution says the problem ended; None while it fires."""
        return None if self.open else self.stated_at

    @property
    def id(self) -> str:
        """`<fingerprint>-<number>`: names the incident everywhere, in the store and outside."""
        return f"{self.fingerprint}-{self.number}"

    @property
    def previous(self) -> str:
        """Id of the incident this problem had before, or empty."""
        return f"{self.fingerprint}-{self.number - 1}" if self.number > 1 else ""

    @property
    def open(self) -> bool:
        """True while the problem is firing."""
        return self.status is Status.FIRING

    def untold(self, version: int) -> tuple[Entry, ...]:
        """Return the entries newer than a version, without the opening itself."""
        opening = (Change.OPENED, Change.RECURRED)
        return tuple(e for e in self.timeline if e.version > version and e.change not in opening)
