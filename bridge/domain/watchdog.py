"""Alerts that are signs of life: Alertmanager's Watchdog always fires, and its silence is the news."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bridge.domain.alert import Alert, Status
from bridge.domain.matcher import Matcher
from bridge.domain.ping import Kind, Ping


class Watchdog(msgspec.Struct, frozen=True):
    """Alerts of a source that pass all matchers are pings of a heartbeat, and make no incident."""

    name: str
    """Of the heartbeat, as in `Ping.name`."""
    source: str
    match: tuple[Matcher, ...]

    def ping(self, alert: Alert, accepted: datetime) -> Ping | None:
        """Return the ping that an alert is; None if it is none.

        It counts from when the sender said it, not from when it began to fire. A resolution is a note: the sender heard
        no more of it, or its labels changed; if it stays away, that will be noticed.
        """
        if alert.source != self.source or not all(matcher.matches(_labels(alert)) for matcher in self.match):
            return None
        kind = Kind.SUCCESS if alert.status is Status.FIRING else Kind.LOG
        body = "" if kind is Kind.SUCCESS else f"{alert.source} said that {alert.title} is over"
        return Ping(name=self.name, kind=kind, at=alert.said_at or accepted, body=body)


def split(alerts: Sequence[Alert], watchdogs: Sequence[Watchdog], accepted: datetime) -> tuple[list[Alert], list[Ping]]:
    """Return the alerts that are alerts, and the pings that the others are; an alert may be several."""
    left, pings = [], []
    for alert in alerts:
        found = [ping for dog in watchdogs if (ping := dog.ping(alert, accepted))]
        pings += found
        left += [] if found else [alert]
    return left, pings


def _labels(alert: Alert) -> dict[str, str]:
    """Return what matchers see: as routes do."""
    own = {"source": alert.source, "severity": str(alert.severity)}
    own |= {"service": alert.service} if alert.service else {}
    own |= {"environment": alert.environment} if alert.environment else {}
    return alert.labels | own
