"""What a link may be made of: the incident's own words and the time window around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from bridge.domain.incident import Incident
from bridge.enrich.trace import datadog_decimal, xray

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_MS = timedelta(milliseconds=1)
_US = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as link builders see it; a text is empty when it is not known."""

    trace_id: str
    """32 lower-case hex digits, not all zero, or empty."""
    service: str
    environment: str
    severity: str
    source: str
    title: str
    fingerprint: str
    labels: Mapping[str, str]
    start: datetime
    """Start of the window; UTC, whole seconds."""
    end: datetime
    """End of the window; UTC, whole seconds, after `start`."""
    fired_at: datetime

    @property
    def xray_trace_id(self) -> str:
        """The trace id as AWS X-Ray writes it: `1-<first 8 digits>-<last 24>`."""
        return self.trace_id and xray(self.trace_id)

    @property
    def datadog_trace_id(self) -> str:
        """The low 64 bits of the trace id as a decimal number: the form of Datadog's older tracers."""
        return self.trace_id and datadog_decimal(self.trace_id)

    @classmethod
    def of(cls, incident: Incident, before: timedelta, after: timedelta, now: datetime) -> Problem:
        """Return what is known of an incident at `now`, with the window around its present spell of firing.

        From `before` ahead of the firing to `after` past the resolution (or the newest firing statement), and
        never past `now`.
        """
        start, end = window(incident, before, after, now)
        return cls(
            trace_id=incident.trace_id if _TRACE_ID.fullmatch(incident.trace_id) else "",
            service=incident.service,
            environment=incident.environment,
            severity=str(incident.severity),
            source=incident.source,
            title=incident.title,
            fingerprint=incident.fingerprint,
            labels=incident.labels,
            start=start,
            end=end,
            fired_at=incident.fired_at.astimezone(UTC),
        )


def window(incident: Incident, before: timedelta, after: timedelta, now: datetime) -> tuple[datetime, datetime]:
    """Return the window around an incident, widened to whole seconds, in UTC.

    A firing time ahead of `now` (the sender's clock is fast) counts as `now`, so the window is never turned round.
    """
    newest = max(incident.resolved_at or incident.last_seen, incident.fired_at)
    end = min(newest + after, now).astimezone(UTC)
    start = min(incident.fired_at.astimezone(UTC), end) - before
    whole = end.replace(microsecond=0)
    return start.replace(microsecond=0), whole if whole == end else whole + timedelta(seconds=1)


def seconds(at: datetime) -> int:
    """Return the Unix time in whole seconds."""
    return milliseconds(at) // 1000


def milliseconds(at: datetime) -> int:
    """Return the Unix time in milliseconds."""
    return (at - _EPOCH) // _MS


def microseconds(at: datetime) -> int:
    """Return the Unix time in microseconds."""
    return (at - _EPOCH) // _US


def iso(at: datetime) -> str:
    """Return the time as `2025-10-09T08:53:20.000Z`: UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
