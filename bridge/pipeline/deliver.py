"""deliver: a due delivery → the destination brought up to date, and what became of it settled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from queue import Empty, SimpleQueue

import structlog

from bridge.logs import several
from bridge.pipeline import fence
from bridge.pipeline.attempt import attempt
from bridge.pipeline.parts import Parts, ring
from bridge.pipeline.shift import Shift
from bridge.store.deliveries import Ended, Recorded, Settled, Turned

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
    turn = _Turn(parts, destination, shift)
    try:
        more = turn.serve()
    finally:
        try:
            turn.finish()
        finally:
            shift.end()
    if more:  # other destinations wait for this worker too
        parts.bell.deliver(destination)
    return turn.served


class _Turn:
    """Keeps a few deliveries under way: one round trip settles those that ended and takes as many more.

    No more are taken than begin at once: what a worker that dies leaves behind has to be looked up outside.
    """

    def __init__(self, parts: Parts, destination: str, shift: Shift) -> None:
        self.served = 0
        self._parts, self._destination, self._shift = parts, destination, shift
        self._under_way = 0
        self._futures: SimpleQueue[Future[Ended]] = SimpleQueue()
        self._ended: list[Ended] = []
        """Not settled yet."""

    def serve(self) -> bool:
        """Return whether more may be due when its time is over."""
        over, more = fence.clock() + TURN.total_seconds(), True
        while True:
            more = self._shift.rung() or more
            room = self._parts.at_once - self._under_way if more and fence.clock() < over else 0
            taken = self._settle_and_take(room)
            more = taken == room if room else more
            if self._under_way:
                self._wait()
            elif more and not room:
                return True
            elif not (more or self._ended):
                if self._shift.over():
                    return False
                more = True

    def finish(self) -> None:
        """Wait for what is under way and settle it, should the turn have been broken off; else nothing is left."""
        while self._under_way:
            future = self._futures.get()
            self._under_way -= 1
            if future.exception() is None:
                self._ended.append(future.result())
        if self._ended:
            self._settle_and_take(0)

    def _settle_and_take(self, room: int) -> int:
        """Settle what ended and begin up to `room` more; returns how many."""
        if not (room or self._ended):
            return 0
        parts = self._parts
        until = fence.clock() + parts.lease.total_seconds()  # read before the lease begins: the fence comes first
        turned = parts.deliveries.turn(
            self._destination,
            room,
            self._ended,
            under_way=self._under_way,
            lease=parts.lease,
            pace=parts.sinks[self._destination].pace,
        )
        ended, self._ended = self._ended, []
        self._begin(turned, until)
        _tell(ended, turned.recorded)
        ring(parts, turned.rings)
        return len(turned.leases)

    def _begin(self, turned: Turned, until: float) -> None:
        self.served += len(turned.leases)
        if len(turned.leases) == 1 and not self._under_way:
            self._ended.append(attempt(self._parts, turned.leases[0], turned.now, until))
            return
        for lease in turned.leases:
            self._under_way += 1
            future = self._shift.pool.submit(attempt, self._parts, lease, turned.now, until)
            future.add_done_callback(self._futures.put)

    def _wait(self) -> None:
        """Collect what ended, once something did."""
        future: Future[Ended] | None = self._futures.get()
        while future is not None:
            self._under_way -= 1
            self._ended.append(future.result())
            try:
                future = self._futures.get_nowait()
            except Empty:
                future = None


def _tell(ended: Sequence[Ended], recorded: Iterable[Recorded]) -> None:
    """Write a line for each attempt that ended: those that did what they should at once."""
    rows = [(one, _row(one, settled), settled) for one, settled in zip(ended, recorded, strict=True)]
    several(log, "delivered", [row for one, row, _ in rows if one.settlement.outcome is Settled.DONE])
    for one, row, settled in rows:
        outcome = one.settlement.outcome
        if outcome is not Settled.DONE:
            level = "warning" if outcome in (Settled.DEAD, Settled.UNKNOWN) else "info"
            getattr(log, level)(f"delivery_{outcome}", **row)
        if settled is Recorded.SHED:
            do = "look through `alert-bridge dead-letters list`; this one is tried again only when the incident changes"
            lease = one.lease
            log.error("dead_letter_shed", incident=lease.id, destination=lease.destination, do=do, trace_id=lease.trace)


def _row(one: Ended, settled: Recorded) -> dict[str, object]:
    lease, settlement = one.lease, one.settlement
    return {
        "incident": lease.id,
        "destination": lease.destination,
        "attempt": lease.attempts + 1,
        "version": lease.incident.version,
        "reason": settlement.reason or None,
        "again_in_s": settlement.delay.total_seconds() or None,
        "took_over": None if settled else True,
        "trace_id": lease.trace,
    }
