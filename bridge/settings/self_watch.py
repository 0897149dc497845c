"""The section `self_watch`: when the bridge tells of its own trouble."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from bridge.settings.options import Duration, Options

_Positive = Annotated[Duration, Field(gt=timedelta())]


class SelfWatch(Options):
    """When the bridge tells of its own trouble (docs/self-alerts.md)."""

    blocked_for: _Positive = timedelta(seconds=55)
    """Nothing has got through to a destination for so long, or will by what its vendor says."""
    overdue_by: _Positive = timedelta(minutes=5)
    """So long a destination has not been told of what it should know."""
    behind_by: _Positive = timedelta(minutes=1)
    """So long an accepted request has waited for a worker to read it."""
    journal_for: _Positive = timedelta(minutes=1)
    """So long a receiver has held requests in its journal that the store did not take."""
    dead_letters: int = Field(default=1, ge=1)
    """So many dead letters."""
    worker_silent_for: Annotated[Duration, Field(ge=timedelta(seconds=10))] = timedelta(seconds=30)
    """A worker that did not say that it stops has been silent for so long; they speak every 5 s."""
    sweep_silent_for: Annotated[Duration, Field(ge=timedelta(seconds=5))] = timedelta(seconds=30)
    """No worker has looked for what waits for so long; they look every second."""
