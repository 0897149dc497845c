"""One run of a check: look, guarded, and work out what there is to say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge import selfreport
from bridge.domain.checkup import judge
from bridge.domain.observation import Fault, Observation
from bridge.domain.words import duration
from bridge.pipeline.check_alert import Scrubbers, alert_of, clean
from bridge.ports import Check
from bridge.settings.checks import PlanOptions
from bridge.store.checks import Settled, Taken, Timetable

OVERRUN = timedelta(seconds=1)
"""A kind that does not keep to its time-out is cut off so long after it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A check and its plan."""

    name: str
    check: Check
    plan: PlanOptions

    @property
    def table(self) -> Timetable:
        """When it runs."""
        return Timetable(name=self.name, every=self.plan.every, timeout=self.plan.within)


async def looked(watched: Watched, at: datetime, trace_id: str) -> Observation:
    """Return what the check sees now; what no kind should do, raise or overrun, is an observation, too."""
    within = watched.plan.within
    try:
        async with asyncio.timeout((within + OVERRUN).total_seconds()):
            return await watched.check.look(at, trace_id)
    except TimeoutError:
        return Observation(at=at, took=within, fault=Fault.TIMEOUT, got=f"no answer within {duration(within)}")
    except Exception as error:  # a mistake in one kind must not end the other checks
        log.exception("check_broken", check=watched.name, do="report it: this is a mistake in the bridge")
        selfreport.tell(error)
        got = f"the bridge fell over it ({type(error).__name__}); see the worker's log"
        return Observation(at=at, took=timedelta(), fault=Fault.BROKEN, got=got)


def settlement(watched: Watched, run: Taken, seen: Observation, scrubbers: Scrubbers) -> Settled:
    """Return what a run came to: the record with it, and what is to be said; nothing in it is unscrubbed."""
    kept = clean(seen, scrubbers, run.at)
    record, statement = judge(run.record, kept.seen, watched.plan.policy)
    if statement is None:
        return Settled(record=record)
    target = watched.check.target
    said = alert_of(watched.name, target, watched.plan, statement, scrubbers, kept.redactions)
    return Settled(record=record, said=said, repeats=statement.repeats)
