"""A ping: one sign of life."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a ping says."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
    LOG = "log"
    """Kept for people to read; it neither proves nor denies that all is well."""
    EXIT = "exit"
    """With an exit status: 0 is a success, anything else a failure."""


class Ping(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One sign of life.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    name: str
    """Whose, with its kind in front: `heartbeat:<name>`, `source:<name>`, `self:<anything>`."""
    kind: Kind = Kind.SUCCESS
    at: datetime
    """When it arrived at the receiver. Aware."""
    exit_status: int | None = None
    """0 to 255; None but for an EXIT."""
    body: str = ""
    """Scrubbed."""
    run: str = ""
    """What pairs a START with its end; may be empty."""

    @property
    def failed(self) -> bool:
        """Whether it says that something failed."""
        return self.kind is Kind.FAIL or (self.kind is Kind.EXIT and self.exit_status != 0)
