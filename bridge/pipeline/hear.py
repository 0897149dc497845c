"""hear: pings from the inbox → who listens for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog
from redis.exceptions import RedisError

from bridge import selfreport
from bridge.domain.ping import Ping
from bridge.domain.watchdog import split
from bridge.pipeline.parts import Listener, Parts
from bridge.store.inbox import Taken

log = structlog.get_logger(__name__)


def told_apart(parts: Parts, taken: Sequence[Taken]) -> list[Taken]:
    """Return the entries with those of their alerts turned into pings that are signs of life (`Parts.watchdogs`)."""
    return [_told_apart(parts, one) for one in taken] if parts.watchdogs else list(taken)


def _told_apart(parts: Parts, one: Taken) -> Taken:
    alerts, pings = split(one.alerts, parts.watchdogs, one.accepted_at)
    for ping in pings:
        log.info("alert_is_ping", name=ping.name, kind=str(ping.kind), trace_id=one.trace)
    return msgspec.structs.replace(one, alerts=alerts, pings=[*one.pings, *pings]) if pings else one


def hear(parts: Parts, pings: Sequence[Ping], now: datetime) -> None:
    """Hand each ping to the listener registered for what stands before the colon in its name.

    Before their entries are acknowledged: a crash in between hands the same ones over again.
    """
    by_kind: dict[str, list[Ping]] = {}
    for ping in sorted(pings, key=lambda ping: (ping.name, ping.at)):
        by_kind.setdefault(ping.name.partition(":")[0], []).append(ping)
    for kind, some in by_kind.items():
        listener = parts.listeners.get(kind)
        if listener is None:
            log.warning("pings_unheard", kind=kind, pings=len(some), why="nobody in this worker listens for them")
        else:
            _hand_over(listener, parts, some, now)


def _hand_over(listener: Listener, parts: Parts, pings: Sequence[Ping], now: datetime) -> None:
    try:
        listener(parts, pings, now)
    except RedisError:
        raise
    except Exception as error:  # alerts are on their way beside these pings: nothing may keep them
        log.exception("pings_broken", pings=len(pings), do="report it: this is a mistake in the bridge")
        selfreport.tell(error)
