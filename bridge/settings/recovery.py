"""What every recovery action takes beside its own options."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from bridge.domain.recovery import Guard
from bridge.settings.options import Duration, Options

DAY = timedelta(days=1)


class GuardOptions(Options):
    """When an action is tried, and what holds it back."""

    dry_run: bool = True
    """Only say in the thread what would be done; `false` has it done."""
    after: Annotated[Duration, Field(le=DAY)] = timedelta(minutes=5)
    """How long the incident must have been firing."""
    cool_down: Annotated[Duration, Field(le=7 * DAY)] = timedelta(minutes=15)
    """How long after a run the same target is left alone."""
    per_hour: int = Field(default=3, ge=1, le=60)
    """Runs of this action in any 60 minutes, over all incidents."""
    per_incident: int = Field(default=3, ge=1, le=100)
    """Runs for one incident: there is one when it opens, and one each time that it is reopened."""

    def guard(self) -> Guard:
        """Return the same for the domain."""
        return Guard(
            dry_run=self.dry_run,
            after=self.after,
            cool_down=self.cool_down,
            per_hour=self.per_hour,
            per_incident=self.per_incident,
        )


@dataclass(frozen=True)
class Recovery:
    """An action of a kind, with that kind's options, and what holds it back."""

    kind: str
    options: Options
    guard: Guard
