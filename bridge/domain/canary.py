"""The canary: a made-up problem of the bridge's own that travels the whole way, and is taken back at its end."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

NAME = "canary"
"""The source it comes from."""
_PREFIX = "canary."


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """One canary, and how the one before it ended; times are the store's."""

    run: str
    """16 hex digits."""
    began: datetime
    over: bool = False
    """Whether it arrived everywhere and is gone again, or was given up."""
    accepted: bool = False
    """Whether a receiver answered that it has it."""
    back: bool = False
    """Whether it arrived everywhere, and is being taken back."""
    why: str = ""
    """Why the receiver could not be reached at the last try."""
    late: dict[str, str] = {}
    """Of the last one: destinations it did not reach in time, or stays at, each with why; "" if it did not get in."""
    arrived: datetime | None = None
    """When one last arrived everywhere."""
    took: timedelta = timedelta()
    """How long that one took."""


def fingerprint_of(run: str) -> str:
    """Return the fingerprint of a canary: each one is a problem of its own, and its name says what it is."""
    return _PREFIX + run


def is_canary(incident_id: str) -> bool:
    """Return whether an incident, by its id or fingerprint, is a canary: no list and no count has it."""
    return incident_id.startswith(_PREFIX)
