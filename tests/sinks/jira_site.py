"""A Jira sandbox on a real port, a sink that speaks to it, and incidents to show there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from starlette.applications import Starlette

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Link
from bridge.domain.incident import Incident
from bridge.ports import Delivery, House, Receipt
from bridge.sandbox.faults import Faults
from bridge.sandbox.jira import TOKEN, USER, JiraSandbox
from bridge.sandbox.jira.state import Issue
from bridge.sinks.jira import Jira, JiraOptions
from tests.sandbox_server import running
from tests.strategies import START

HOUSE = House(timezone=ZoneInfo("Asia/Seoul"))


class Bench:
    """One sandbox, one sink, and short words for what tests do with them."""

    def __init__(self, sandbox: JiraSandbox, url: str) -> None:
        self.sandbox = sandbox
        self.state = sandbox.state
        self.faults: Faults = sandbox.faults
        self.url = url
        self.jira = self.sink()

    def options(self, **changes: object) -> JiraOptions:
        """Return options that fit the sandbox: the flavour's own way to log in, and what is changed."""
        account = {"user": USER} if self.state.cloud else {}
        return JiraOptions.model_validate(
            {"url": f"{self.url}/jira", "project": "OPS", "token": TOKEN, **account, **changes}
        )

    def sink(self, **changes: object) -> Jira:
        """Return a sink of these options."""
        return Jira("tickets", self.options(**changes), HOUSE)

    @property
    def issue(self) -> Issue:
        """The only issue there is."""
        (issue,) = self.sandbox.issues
        return issue

    def called(self) -> list[str]:
        """Return what was called since the last time, and forget it."""
        calls = list(self.sandbox.calls)
        self.sandbox.calls.clear()
        return calls


def told(*alerts: Alert, reopen_within: timedelta = timedelta(hours=24)) -> Incident:
    """Return the incident that statements make."""
    incident: Incident | None = None
    for alert in alerts:
        incident, _ = advance(incident, alert, (), reopen_within)
    assert incident is not None
    return incident


def delivery(incident: Incident, receipt: Receipt | None = None, **more: object) -> Delivery:
    """Return a delivery of an incident, with a trace link."""
    fields: dict[str, object] = {
        "incident": incident,
        "receipt": receipt,
        "links": (Link("Trace", "https://jaeger.example.com/trace/0af7"),),
        "now": START,
        **more,
    }
    return Delivery(**fields)  # type: ignore[arg-type]  # fields by name


@contextmanager
def bench(*, cloud: bool = True) -> Iterator[Bench]:
    """Serve a sandbox of one flavour."""
    sandbox = JiraSandbox(flavour="cloud" if cloud else "datacenter")
    with running(Starlette(routes=sandbox.routes())) as url:
        yield Bench(sandbox, url)
