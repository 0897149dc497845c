"""The outgoing heartbeat: sent while the whole path is proven, so that its silence tells what the bridge can't."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bridge.domain.alert import Severity
from bridge.pipeline.concerns import Concern
from bridge.pipeline.parts import Aviary, Parts
from bridge.store.vitals import Vital

EVERY = timedelta(minutes=1)
EARLY = timedelta(seconds=5)
"""So much sooner it may be sent: the bridge looks every ten seconds, and the other side counts in minutes."""
PROVEN_WITHIN = timedelta(minutes=1)

log = structlog.get_logger(__name__)


def withheld(vital: Vital, standing: Mapping[str, Concern], aviary: Aviary | None = None) -> str:
    """Return why the outgoing heartbeat must not be sent now, or nothing: the path was proven in the last minute.

    Proven: an entry of the bridge's own was put into the inbox by the sweep, a bell rang through Celery, a worker took
    the entry out and committed it; the sweep is fresh; and nothing critical stands, such as a blocked destination.
    With canaries: the newest arrived in its time.
    """
    proven = vital.proof.proven
    if proven is None or vital.now - proven > PROVEN_WITHIN:
        return "nothing was seen to go through the inbox in the last minute"
    if vital.swept is None or vital.now - vital.swept > PROVEN_WITHIN:
        return "no worker sweeps"
    if aviary is not None and not arrived(vital, aviary):
        return "no canary has arrived lately"
    critical = sorted(c.name.rstrip(":") for c in standing.values() if c.severity is Severity.CRITICAL)
    return f"critical: {', '.join(critical)}" if critical else ""


def beat(parts: Parts, vital: Vital, standing: Mapping[str, Concern]) -> None:
    """Send the outgoing heartbeat, if it is time and all is well; to be called by one worker in turn."""
    if parts.vitals is None or parts.pulse is None:
        return
    why = withheld(vital, standing, parts.aviary)
    if not why and _recent(vital.pulse.sent, vital.now) and not vital.pulse.withheld:
        return
    error = "" if why else parts.pulse()
    why = why or (f"the other side: {error}" if error else "")
    if why and why == vital.pulse.withheld:
        return
    if why:
        log.warning("heartbeat_withheld", reason=why)
    elif vital.pulse.withheld or vital.pulse.sent is None:
        log.info("heartbeat_sent", was=vital.pulse.withheld or None)
    parts.vitals.note_pulse(sent=None if why else vital.now, withheld=why)


def arrived(vital: Vital, aviary: Aviary) -> bool:
    """Return whether a canary has arrived lately, as often as they fly."""
    last = vital.flight.arrived if vital.flight else None
    return last is not None and vital.now - last <= aviary.every + aviary.within + EVERY


def _recent(sent: datetime | None, now: datetime) -> bool:
    return sent is not None and now - sent < EVERY - EARLY
