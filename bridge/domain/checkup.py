"""A check's record over its runs, and what is worth saying after each one."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile

import msgspec

from bridge.domain.alert import Status
from bridge.domain.observation import Fault, Observation

LONGEST = 60
"""Runs that a policy may look back on."""
_OURS = (Fault.REFUSED, Fault.BROKEN)
_HARDEST_FIRST = [*(fault for fault in Fault if fault not in _OURS), *_OURS]
"""As a request meets them; that the bridge itself could not look says least about the target."""


class Policy(msgspec.Struct, frozen=True):
    """When a check's target is down, and when it is up again."""

    fails: int = 3
    """So many failing runs …"""
    of: int = 3
    """… among so many last ones; as many as `fails`: in a row."""
    goods: int = 1
    """So many good runs in a row, and fewer than `fails` failing ones among the last `of`, and it is up again."""

    @property
    def memory(self) -> int:
        """Runs that have to be remembered."""
        return max(self.of, self.goods)


class Run(msgspec.Struct, frozen=True, array_like=True):
    """One run, as far as it is remembered."""

    at: datetime
    ok: bool


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is known of a check.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    runs: tuple[Run, ...] = ()
    """The last ones, oldest first; forgotten when the target is up again, so that the next outage is counted anew."""
    down: bool = False
    since: datetime | None = None
    """Since when it is down (the first failing run that counted) or up; None before the first run."""
    failed: int = 0
    """Failing runs since then; 0 while it is up."""
    row: int = 0
    """Failing runs in a row up to now."""
    fault: Fault | None = None
    """The hardest one since it is down."""
    last: Observation | None = None
    facts: tuple[str, ...] = ()
    """Names of the facts that were said since it is down."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is worth saying after a run."""

    status: Status
    at: datetime
    """When this became so: of an opening, the first failing run that counted."""
    repeats: bool = False
    """It is said again, with what the newest run saw."""
    record: Record
    """Of a resolution, the one before it."""
    seen: Observation


def judge(record: Record, seen: Observation, policy: Policy) -> tuple[Record, Statement | None]:
    """Return the record with one more run in it, and what is worth saying.

    Each failing run of a target that is down is said: the count grows, and the newest reason describes the problem.
    """
    runs = (*record.runs, Run(seen.at, seen.ok))[-policy.memory :]
    row = 0 if seen.ok else record.row + 1
    after = msgspec.structs.replace(record, runs=runs, row=row, last=seen, since=record.since or seen.at)
    if seen.ok:
        return _good(record, after, seen, policy)
    return _failing(after, seen) if record.down else _perhaps_down(after, seen, policy)


def _good(before: Record, after: Record, seen: Observation, policy: Policy) -> tuple[Record, Statement | None]:
    goods = sum(1 for _ in takewhile(lambda run: run.ok, reversed(after.runs)))
    if not before.down or goods < policy.goods or len(_failed(after, policy)) >= policy.fails:
        return after, None
    up = Record(since=seen.at, last=seen)
    return up, Statement(status=Status.RESOLVED, at=seen.at, record=before, seen=seen)


def _perhaps_down(after: Record, seen: Observation, policy: Policy) -> tuple[Record, Statement | None]:
    failed = _failed(after, policy)
    if len(failed) < policy.fails:
        return after, None
    since = failed[0].at
    down = msgspec.structs.replace(
        after, down=True, since=since, failed=len(failed), fault=seen.fault, facts=tuple(seen.facts)
    )
    return down, Statement(status=Status.FIRING, at=since, record=down, seen=seen)


def _failing(after: Record, seen: Observation) -> tuple[Record, Statement]:
    faults = [fault for fault in (after.fault, seen.fault) if fault is not None]
    still = msgspec.structs.replace(
        after,
        failed=after.failed + 1,
        fault=min(faults, key=_HARDEST_FIRST.index, default=None),
        facts=tuple(dict.fromkeys((*after.facts, *seen.facts))),
    )
    return still, Statement(status=Status.FIRING, at=seen.at, repeats=True, record=still, seen=seen)


def _failed(record: Record, policy: Policy) -> list[Run]:
    return [run for run in record.runs[-policy.of :] if not run.ok]
