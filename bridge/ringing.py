"""What all bells have in common: which task is called for what, and that no ring is worth an error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import structlog

from bridge.message import DELIVER, INGEST, RECOVER

log = structlog.get_logger(__name__)


class Ringing(ABC):
    """Rings by calling tasks; a ring that does not get through is logged, never raised: the sweep rings again."""

    losses: ClassVar[tuple[type[Exception], ...]]
    """What `_call` raises when it does not get through."""

    def ingest(self) -> None:
        """Ring for the inbox."""
        self._ring(INGEST)

    def deliver(self, destination: str) -> None:
        """Ring for a destination."""
        self._ring(DELIVER, destination)

    def recover(self, action: str) -> None:
        """Ring for a recovery action."""
        self._ring(RECOVER, action)

    def _ring(self, task: str, *args: str) -> None:
        try:
            self._call(task, *args)
        except self.losses as error:
            log.warning("bell_lost", task=task, error=str(error), do="nothing: the sweep rings within a second")

    @abstractmethod
    def _call(self, task: str, *args: str) -> None:
        """Put a call of the task where a worker finds it."""
