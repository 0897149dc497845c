"""Heartbeats and quiet sources: pings → what is known of each; and what is said when none come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
import structlog
from redis.exceptions import WatchError

from bridge.domain.alert import Alert, Status
from bridge.domain.heartbeat import Record, beat, deadline, lapse, replanned
from bridge.domain.heartbeat_words import HEARTBEAT, QUIET, dismissed, said
from bridge.domain.ping import Ping
from bridge.pipeline.parts import Parts
from bridge.store.heartbeats import Heartbeats, Kept, Look

KINDS = (HEARTBEAT, QUIET)
"""What the names begin with that this module listens for."""
ROUNDS = 50
"""How often something is tried again that others wrote at the same time."""
PATIENCE = timedelta(minutes=15)
"""So long a heartbeat is not called missing because its ping may lie in the inbox, or in a journal."""
REPLAY = timedelta(seconds=15)
"""So long receivers have to bring in what they kept while the store was away."""

log = structlog.get_logger(__name__)


def heed(parts: Parts, pings: Sequence[Ping], now: datetime) -> None:
    """Take in pings; what they change is said through the inbox, like everything."""
    store = parts.heartbeats
    if store is None:
        return
    _settle(store, now)
    alerts: list[Alert] = []
    for name, some in groupby(pings, key=lambda ping: ping.name):
        alerts += _heed(store, name, list(some), now)
    _tell(parts, alerts)


def _heed(store: Heartbeats, name: str, pings: Sequence[Ping], now: datetime) -> list[Alert]:
    counts = Counter(f"ping:{ping.kind}" for ping in pings)
    for _ in range(ROUNDS):
        kept = store.load([name]).get(name)
        if kept is None:
            log.warning("pings_unheard", kind=name, pings=len(pings), why="it is not in this worker's config")
            return []
        after, when, alerts = _fold(kept, pings, now)
        if store.save(after, when, alerts, counts):
            return alerts
    raise WatchError(f"{name} is written by others all the time")


def _fold(kept: Kept, pings: Sequence[Ping], now: datetime) -> tuple[Kept, datetime | None, list[Alert]]:
    record, alerts, when = kept.record, [], None
    for ping in pings:
        verdict = beat(record, ping, kept.plan, now)
        record, when = verdict.record, verdict.deadline
        alert = said(kept.plan, verdict, now)
        alerts += [alert] if alert else []
    return msgspec.structs.replace(kept, record=record), when, alerts


def look(parts: Parts) -> list[Alert]:
    """See who is missing; returns what was said of that. To be called again and again, by every worker.

    A worker whose config has nothing to miss does not ask, once it has brought that in.
    """
    store = parts.heartbeats
    if store is None or (store.settled and not store.plans):
        return []
    found = store.look()
    if found is None:
        return []
    alerts = _settle(store, found.now)
    for kept in store.load(found.names).values():
        alerts += _lapse(store, kept, found)
    _tell(parts, alerts)
    return alerts


def _lapse(store: Heartbeats, kept: Kept, found: Look) -> list[Alert]:
    """Judge one whose time has come, unless its ping may yet be under way.

    It may lie in the inbox or in a journal, if that holds something since before the deadline. And when the bridge was
    away, its sender may have found nobody; after a pause of the store pings come out of the receivers' journals first.
    """
    due, settled = deadline(kept.record, kept.plan), kept.plan.settled(found.resumed)
    if found.waiting is not None and found.waiting <= due and found.now - due < PATIENCE:
        return []
    paused, stirred = found.pause
    if paused <= due and found.now < stirred + REPLAY:
        return []
    if kept.record.trouble is None and due <= found.now < settled:
        store.save(kept, settled)
        return []
    verdict = lapse(kept.record, kept.plan, found.now)
    alert = said(kept.plan, verdict, found.now)
    alerts = [alert] if alert else []
    after = msgspec.structs.replace(kept, record=verdict.record)
    return alerts if store.save(after, verdict.deadline, alerts) else []


def _settle(store: Heartbeats, now: datetime) -> list[Alert]:
    """Bring this process's plans into the store, once: what is new is watched from now, what is gone is forgotten.

    Once, so that workers with an old config and with a new one do not undo each other while one replaces the other.
    """
    alerts: list[Alert] = []
    for _ in range(0 if store.settled else ROUNDS):
        known = store.load([name for name in store.names() if name.partition(":")[0] in KINDS])
        written = [_plant(store, name, known.get(name), now) for name in store.plans]
        written += [_forget(store, kept, now, alerts) for name, kept in known.items() if name not in store.plans]
        if all(written):
            store.settled = True
            break
    return alerts


def _plant(store: Heartbeats, name: str, kept: Kept | None, now: datetime) -> bool:
    plan = store.plans[name]
    if kept is not None and kept.plan == plan:
        return True
    record = replanned(kept.record, kept.plan, plan, now) if kept else Record(since=now)
    when = None if record.trouble else deadline(record, plan)
    return store.save(Kept(plan, record, kept.revision if kept else 0), when)


def _forget(store: Heartbeats, kept: Kept, now: datetime, alerts: list[Alert]) -> bool:
    alert = dismissed(kept.plan, kept.record, now)
    gone = store.forget(kept, alert)
    alerts += [alert] if alert and gone else []
    return gone


def _tell(parts: Parts, alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        down = alert.status is Status.FIRING
        event = "heartbeat_down" if down else "heartbeat_back"
        (log.warning if down else log.info)(event, about=alert.title, reason=alert.summary)
    if alerts:
        parts.bell.ingest()
