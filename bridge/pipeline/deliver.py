"""deliver: a due delivery → the destination brought up to date, and what became of it settled."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import msgspec
import structlog

from bridge import selfreport
from bridge.domain.alert import Link
from bridge.domain.canary import is_canary
from bridge.domain.routing import due_at, labels_of
from bridge.pipeline import fence
from bridge.pipeline.audience import about
from bridge.pipeline.parts import Parts, links_of, ring
from bridge.pipeline.shift import Shift
from bridge.pipeline.steps import of_attempt
from bridge.ports import Delivery, Receipt, Rejected, RetryAt, Sink, TakesBack, Unknown
from bridge.store.deliveries import Doubt, Lease, Recorded, Settled, Settlement

TURN = timedelta(seconds=1)
"""So long one bell is heard while more is due at its destination."""

log = structlog.get_logger(__name__)


def deliver(parts: Parts, destination: str) -> int:
    """Serve what is due at a destination, a few at a time, for a second or so; returns how many were taken.

    Nothing when another thread of this process does already: that one looks once more.
    """
    if destination not in parts.sinks:
        return 0
    shift = parts.shifts.of(destination, parts.at_once)
    if not shift.begin():
        return 0
    try:
        served, more = _turn(parts, destination, shift)
    finally:
        shift.end()
    if more:  # other destinations wait for this worker too
        parts.bell.deliver(destination)
    return served


def _turn(parts: Parts, destination: str, shift: Shift) -> tuple[int, bool]:
    """Return how many were taken, and whether more are due."""
    served, until = 0, fence.clock() + TURN.total_seconds()
    while True:
        taken = _few(parts, destination, shift.pool)
        served += taken
        if taken < parts.at_once and shift.over():
            return served, False
        if fence.clock() > until:
            return served, True


def _few(parts: Parts, destination: str, pool: ThreadPoolExecutor) -> int:
    """Serve as many as may go at once."""
    until = fence.clock() + parts.lease.total_seconds()  # read before the lease begins: the fence comes first
    now, leases = parts.deliveries.take(destination, parts.at_once, parts.lease, parts.sinks[destination].pace)
    if len(leases) == 1:
        _serve(parts, leases[0], now, until)
    elif leases:
        list(pool.map(lambda lease: _serve(parts, lease, now, until), leases))
    return len(leases)


def _serve(parts: Parts, lease: Lease, now: datetime, until: float) -> None:
    with fence.fenced(until):
        settlement = _guarded(parts, lease, now)
    settlement = msgspec.structs.replace(settlement, reason=parts.mask(settlement.reason))
    fallback = parts.fallbacks.get(lease.destination, "")
    fallback = "" if fallback == about(lease.incident) else fallback
    steps = of_attempt(lease, settlement, now)
    settled, rings = parts.deliveries.settle(lease, settlement, now, tuple(steps), fallback)
    level = "warning" if settlement.outcome in (Settled.DEAD, Settled.UNKNOWN) else "info"
    getattr(log, level)(
        "delivered" if settlement.outcome is Settled.DONE else f"delivery_{settlement.outcome}",
        incident=lease.id,
        destination=lease.destination,
        attempt=lease.attempts + 1,
        version=lease.incident.version,
        reason=settlement.reason or None,
        again_in_s=settlement.delay.total_seconds() or None,
        took_over=None if settled else True,
        trace_id=lease.trace,
    )
    if settled is Recorded.SHED:
        do = "look through `alert-bridge dead-letters list`; this one is tried again only when the incident changes"
        log.error("dead_letter_shed", incident=lease.id, destination=lease.destination, do=do, trace_id=lease.trace)
    ring(parts, rings)


def _guarded(parts: Parts, lease: Lease, now: datetime) -> Settlement:
    """Return what became of one attempt; a sink that fails as nobody foresaw costs no more than this delivery."""
    try:
        with selfreport.working_on(labels_of(lease.incident)):
            return _attempt(parts, lease, now)
    except Exception as error:
        do = "report it: this is a mistake in the bridge"
        log.exception("delivery_broken", incident=lease.id, destination=lease.destination, do=do, trace_id=lease.trace)
        selfreport.tell(error)
        return Settlement(
            outcome=Settled.UNKNOWN,
            delay=max(parts.sinks[lease.destination].settle, _backoff(parts, lease)),
            doubt=Doubt.SET,
            receipt=lease.receipts.get(lease.destination),
            reason=f"a mistake in the bridge ({type(error).__name__}): its log has the traceback",
        )


def _attempt(parts: Parts, lease: Lease, now: datetime) -> Settlement:
    """Return what became of one attempt. Nothing new is created while it is unknown what stands outside."""
    sink = parts.sinks[lease.destination]
    if wait := _not_yet(parts, sink, lease, now):
        return wait
    delivery = _delivery(parts, lease, lease.receipts.get(lease.destination), now)
    found = None
    if lease.doubt is not None:
        try:
            found = sink.find(delivery)
        except (RetryAt, Unknown, Rejected) as problem:
            reason = f"looking up what an interrupted attempt left: {problem.reason}"
            return _later(parts, lease, problem, Doubt.KEEP, reason)
        if found is None and delivery.receipt is None and not lease.incident.open:
            return Settlement(outcome=Settled.DONE, reason="resolved before it was told anywhere")
        delivery = _delivery(parts, lease, found or delivery.receipt, now)
    return msgspec.structs.replace(_sync(parts, sink, lease, delivery), found=found is not None)


def _sync(parts: Parts, sink: Sink, lease: Lease, delivery: Delivery) -> Settlement:
    try:
        return Settlement(outcome=Settled.DONE, receipt=_bring(parts, sink, lease, delivery))
    except Rejected as problem:
        return Settlement(outcome=Settled.DEAD, receipt=problem.receipt or delivery.receipt, reason=problem.reason)
    except RetryAt as problem:
        return _later(parts, lease, problem, Doubt.CLEAR, problem.reason, delivery.receipt)
    except Unknown as problem:
        return Settlement(
            outcome=Settled.UNKNOWN,
            delay=sink.settle,
            doubt=Doubt.SET,
            receipt=problem.receipt or delivery.receipt,
            reason=problem.reason,
        )


def _bring(parts: Parts, sink: Sink, lease: Lease, delivery: Delivery) -> Receipt:
    """Bring the destination up to date: by taking it back there, if that was a canary which is over."""
    taken_back = is_canary(lease.id) and not lease.incident.open and not (parts.aviary and parts.aviary.keep)
    if not (taken_back and delivery.receipt and isinstance(sink, TakesBack)):
        return sink.sync(delivery)
    return sink.take_back(delivery, delivery.receipt) if delivery.receipt.open else delivery.receipt


def _not_yet(parts: Parts, sink: Sink, lease: Lease, now: datetime) -> Settlement | None:
    """Return how long to wait, or that there is nothing to do; None when it is time."""
    if lease.lapsed is not None:
        remaining = lease.lapsed + sink.settle - now
        if remaining > timedelta():
            reason = "its worker is gone: waiting until the vendor shows what it did"
            return Settlement(outcome=Settled.WAIT, delay=remaining, doubt=Doubt.KEEP, reason=reason)
    if lease.destination in lease.receipts or lease.doubt is not None:
        return None
    if lease.standing_in and lease.incident.open:
        return None
    when = due_at(parts.threshold(lease.destination, lease.id), lease.incident, now)
    if when is None:
        return Settlement(outcome=Settled.DONE, reason="not worth telling (yet)")
    if when > now:
        return Settlement(outcome=Settled.WAIT, delay=when - now, reason="not firing for long enough yet")
    return None


def _delivery(parts: Parts, lease: Lease, receipt: Receipt | None, now: datetime) -> Delivery:
    incident = lease.incident
    return Delivery(
        incident=incident,
        receipt=receipt,
        links=links_of(parts, incident, now),
        peers=_peers(lease),
        previous=lease.previous,
        now=now,
        attempted_at=lease.doubt,
    )


def _peers(lease: Lease) -> tuple[Link, ...]:
    others = (r.link for name, r in sorted(lease.receipts.items()) if name != lease.destination)
    return tuple(link for link in others if link is not None)


def _later(
    parts: Parts,
    lease: Lease,
    problem: RetryAt | Unknown | Rejected,
    doubt: Doubt,
    reason: str,
    known: Receipt | None = None,
) -> Settlement:
    after = problem.after if isinstance(problem, RetryAt) else timedelta()
    return Settlement(
        outcome=Settled.RETRY,
        delay=max(after, _backoff(parts, lease)),
        doubt=doubt,
        receipt=problem.receipt or known,
        reason=reason,
        hold=after if isinstance(problem, RetryAt) and problem.blocked else timedelta(),
    )


def _backoff(parts: Parts, lease: Lease) -> timedelta:
    """Return 1 s, 2 s, 4 s … up to the longest, of which the last tenth is chance: many that failed spread out."""
    longest = min(2.0 ** min(lease.attempts, 20), parts.longest_wait.total_seconds())
    return timedelta(seconds=longest * random.uniform(0.9, 1.0))  # noqa: S311 - no secret
