"""A statement that arrives after a newer one: what it adds is shown everywhere, though nobody is called for it."""

from __future__ import annotations

import redis

from bridge.domain.alert import Severity, Status
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert


def test_a_severity_that_arrives_late_is_shown_also_where_repeats_are_not(redis_client: redis.Redis) -> None:
    tickets = Board("tickets")
    tickets.tells_repeats = False
    desk = Desk(redis_client, [tickets])
    desk.hear(alert(1, Status.FIRING, "first", severity=Severity.WARNING))
    desk.hear(alert(3, Status.RESOLVED, "over", severity=Severity.WARNING))
    desk.hear(alert(2, Status.FIRING, "late", severity=Severity.CRITICAL))

    incident = desk.record().incident
    assert (incident.status, incident.severity, incident.count) == (Status.RESOLVED, Severity.CRITICAL, 2)
    assert tickets.shown[incident.id] == incident.version


def test_a_late_repeat_alone_is_not(redis_client: redis.Redis) -> None:
    tickets = Board("tickets")
    tickets.tells_repeats = False
    desk = Desk(redis_client, [tickets])
    desk.hear(alert(1, Status.FIRING, "first"))
    desk.hear(alert(3, Status.RESOLVED, "over"))
    shown = dict(tickets.shown)
    desk.hear(alert(2, Status.FIRING, "late"))

    assert desk.record().incident.count == 2
    assert tickets.shown == shown
