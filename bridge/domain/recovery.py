"""Recovery actions: when one may be tried against an incident, and under which name."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from bridge.domain.incident import Incident

TOO_LATE = timedelta(minutes=10)
"""What could not be tried for so long after it was due (the bridge was down) is not tried any more."""


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """What holds an action back."""

    dry_run: bool = True
    """Only say what would be done."""
    after: timedelta = timedelta(minutes=5)
    """How long the incident must have been firing without a pause."""
    cool_down: timedelta = timedelta(minutes=15)
    """Between two runs against the same target."""
    per_hour: int = 3
    """Runs in any 60 minutes, whatever the incident and the target."""
    per_incident: int = 3
    """Runs for one incident; there is one for each time that it begins to fire."""


def due_at(guard: Guard, incident: Incident, now: datetime) -> datetime | None:
    """Return when an action is to be tried in the present spell of firing; None if the incident is over."""
    if not incident.open:
        return None
    # A sender whose clock is ahead must not hold it up, nor one that dates far back have it tried "too late".
    return max(now, min(incident.fired_at, now) + guard.after)


def spell_of(incident: Incident) -> int:
    """Return which spell of firing this is: 1 from the opening on, one more with each reopening."""
    return incident.reopened + 1


def key_of(action: str, incident_id: str, spell: int) -> str:
    """Return the name of one run, the same however often it is asked for: what vendors tell repetitions by."""
    return f"recovery_{incident_id}_{spell}_{action}"
