"""What one run of a check saw."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec


class Fault(StrEnum):
    """Where a run of a check failed first, in the order in which a request meets them."""

    BROKEN = "broken"
    """The bridge fell over it: a mistake in the bridge."""
    REFUSED = "refused"
    """The bridge itself may not go there: a private address, the metadata address."""
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    """The target closed the connection in the middle, or spoke something else."""
    STATUS = "status"
    BODY = "body"
    CERTIFICATE = "certificate"
    """It is valid, but expires too soon."""
    SLOW = "slow"
    """All is well, but it took too long."""


class Observation(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What one run of a check saw.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    at: datetime
    """When the run began. Aware."""
    took: timedelta
    fault: Fault | None = None
    """None: what was expected came."""
    expected: str = ""
    """In one line: "status 200-299, body contains ok, within 2 s"."""
    got: str = ""
    """In one line: "HTTP 503 after 120 ms", "no answer within 10 s", "the name does not resolve"."""
    facts: dict[str, str] = {}
    """What else a person wants to read, in order: First byte, Body (its first line), Address, Certificate, …"""
    trace_id: str = ""
    """32 lower-case hex digits that the request carried in its traceparent; empty if it could carry none."""

    @property
    def ok(self) -> bool:
        """Whether what was expected came."""
        return self.fault is None
