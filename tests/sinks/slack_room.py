"""A sandbox Slack, a sink that talks to it, and incidents for it to tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Link, Severity, Status
from bridge.domain.incident import Incident
from bridge.ports import Delivery, House, Receipt
from bridge.sandbox.slack import TOKEN, WEBHOOK, SlackSandbox
from bridge.sinks.slack import Slack
from bridge.sinks.slack.api import Api
from bridge.sinks.slack.channel import Channel
from bridge.sinks.slack.options import SlackOptions
from tests.sandbox_server import running

HOUSE = House(timezone=ZoneInfo("Asia/Seoul"))
START = datetime(2026, 11, 21, 5, 3, 22, tzinfo=UTC)
TRACE = Link("Trace", "https://jaeger.example.com/trace/0af7651916cd43dd8448eb211c80319c")


def alert(minute: float = 0, status: Status = Status.FIRING, **changes: object) -> Alert:
    """Return one statement of the same made-up problem, so many minutes after START."""
    alert = Alert(
        source="alertmanager",
        fingerprint="3f2a9c1d4e5b6a7890123456",
        event_id=f"{status}-{minute}",
        status=status,
        severity=Severity.CRITICAL,
        at=START + timedelta(minutes=minute),
        title="HighErrorRate",
        summary="error rate 12% > 5%",
        details="Traceback\n  File app.py\nValueError: boom",
        service="checkout",
        environment="prod",
        url="https://prometheus.example.com/graph?g0.expr=up&g0.tab=1",
        labels={"alertname": "HighErrorRate", "instance": "web-1"},
        facts={"release": "1.4.2"},
    )
    return msgspec.structs.replace(alert, **changes)


def story(*alerts: Alert) -> Incident:
    """Return the incident that the statements make."""
    incident: Incident | None = None
    for each in alerts:
        incident, _ = advance(incident, each, (), timedelta(hours=24))
    assert incident is not None
    return incident


def delivery(incident: Incident, receipt: Receipt | None = None, **changes: object) -> Delivery:
    """Return a delivery at the present time (the sandbox's clock is the real one)."""
    now = datetime.now(UTC)
    given = Delivery(incident=incident, receipt=receipt, links=(TRACE,), now=now, attempted_at=now)
    return msgspec.structs.replace(given, **changes)


Syncs = Slack | Channel


class Room:
    """One sandbox and one sink; `told` gives the single root of the channel."""

    def __init__(self, sandbox: SlackSandbox, url: str) -> None:
        self.sandbox = sandbox
        self.url = url

    def slack(self, **changes: object) -> Slack:
        """Return a sink with a bot token."""
        options = {"token": TOKEN, "channel": "C0ONCALL", "api_url": f"{self.url}/slack/api/", **changes}
        return Slack("oncall", SlackOptions.model_validate(options), HOUSE)

    def impatient(self) -> Channel:
        """Return what the sink is with a bot token, waiting one second for Slack."""
        url = f"{self.url}/slack/api/"
        options = SlackOptions.model_validate({"token": TOKEN, "channel": "C0ONCALL", "api_url": url})
        return Channel("oncall", options, HOUSE, Api(TOKEN, url, timeout=1))

    def webhook(self) -> Slack:
        """Return a sink with an incoming webhook."""
        return Slack("oncall", SlackOptions.model_validate({"webhook_url": f"{self.url}{WEBHOOK}"}), HOUSE)

    @property
    def roots(self) -> list[str]:
        """The texts of the channel's roots."""
        return [root.text for root in self.sandbox.messages()]

    @property
    def replies(self) -> list[str]:
        """The texts of the replies in all threads."""
        return [reply.text for root in self.sandbox.messages() for reply in root.replies]

    def calls_of(self, act: object) -> list[str]:
        """Return which methods were called while `act()` ran."""
        before = len(self.sandbox.calls)
        assert callable(act)
        act()
        return self.sandbox.calls[before:]


@contextmanager
def room(sandbox: SlackSandbox | None = None) -> Iterator[Room]:
    """Serve a sandbox."""
    sandbox = sandbox or SlackSandbox()
    with running(Starlette(routes=[*sandbox.routes(), *sandbox.faults.routes()])) as url:
        yield Room(sandbox, url)
