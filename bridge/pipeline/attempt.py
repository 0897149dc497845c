"""attempt: one delivery under its lease → the destination brought up to date, and what is to be recorded of that."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import msgspec
import structlog

from bridge import selfreport
from bridge.domain.alert import Link
from bridge.domain.canary import is_canary
from bridge.domain.routing import due_at, labels_of
from bridge.pipeline import fence
from bridge.pipeline.audience import about
from bridge.pipeline.parts import Parts, links_of
from bridge.pipeline.steps import of_attempt
from bridge.ports import Delivery, Receipt, Rejected, RetryAt, Sink, TakesBack, Unknown
from bridge.store.deliveries import Doubt, Ended, Lease, Settled, Settlement

log = structlog.get_logger(__name__)


def attempt(parts: Parts, lease: Lease, now: datetime, until: float) -> Ended:
    """Try one delivery, taken at the store's time `now`; no call leaves after `until`, a reading of `fence.clock`."""
    with fence.fenced(until):
        settlement = _guarded(parts, lease, now)
    settlement = msgspec.structs.replace(settlement, reason=parts.mask(settlement.reason))
    fallback = parts.fallbacks.get(lease.destination, "")
    fallback = "" if fallback == about(lease.incident) else fallback
    return Ended(lease, settlement, now, tuple(of_attempt(lease, settlement, now)), fallback)


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
