"""receive: raw request → proven, parsed, traced, scrubbed alerts."""

from __future__ import annotations

import msgspec

from bridge.domain.alert import Alert
from bridge.enrich.scrub import Scrubber
from bridge.enrich.trace import traced
from bridge.ports import Parsed, Request, Source


def receive(source: Source, scrubber: Scrubber, request: Request) -> Parsed:
    """Return what a request says, ready to be stored; raises Unverified or Unparseable.

    The trace id is looked for before the scrubbing, which might cut it, and nothing is stored before the scrubbing.
    A time in the future is taken as now: a sender's fast clock must not outlast its own resolution.
    """
    source.verify(request)
    parsed = source.parse(request)
    if not isinstance(parsed, list):
        return parsed
    return [_prepared(alert, scrubber, request) for alert in parsed]


def _prepared(alert: Alert, scrubber: Scrubber, request: Request) -> Alert:
    if alert.at > request.received_at:
        alert = msgspec.structs.replace(alert, at=request.received_at)
    return scrubber.scrub(traced(alert))
