"""A recovery action that obeys, and a desk with it: for tests that look at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import redis

from bridge.domain.alert import Alert
from bridge.domain.incident import Incident
from bridge.domain.recovery import Guard
from bridge.domain.routing import Route, parse_matchers
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Recovery
from bridge.pipeline.recover import recover
from bridge.ports import Attempt, Finding, Refused
from bridge.settings import Options
from bridge.store.runs import Runs
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

ARMED = Guard(dry_run=False, after=timedelta())
"""Acts at once."""


class Lever:
    """An action that notes each pull, and does what `then` does while it is pulled."""

    Options = Options

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.pulled: list[Attempt] = []
        self.then = then

    def target(self, incident: Incident) -> str:
        """Return the incident's service; "no service" is no target."""
        if not incident.service:
            raise Refused("there is no service")
        return f"lever of {incident.service}"

    def plan(self, incident: Incident) -> str:
        """Return that it would be pulled."""
        return f"pull the lever of {incident.service}"

    def act(self, attempt: Attempt) -> str:
        """Be pulled."""
        self.pulled.append(attempt)
        self.then()
        return f"pulled the lever of {attempt.incident.service}"

    def examine(self) -> Iterable[Finding]:
        """Find nothing."""
        return ()


class LeverDesk(Desk):
    """A desk with a board that hears of everything, and a lever for what has the label `lever`."""

    def __init__(self, client: redis.Redis, guard: Guard = ARMED) -> None:
        self.board, self.lever = Board("oncall"), Lever()
        match = parse_matchers('severity=~"error|critical"')
        super().__init__(client, [self.board], [Route(match, ("oncall",), recover=("pull",)), Route((), ("oncall",))])
        recovery = Recovery(runs=Runs(self.keys), actions={"pull": self.lever}, guards={"pull": guard})
        self.parts = replace(self.parts, recovery=recovery)

    def recover(self) -> int:
        """Run what is due, and take what is said of it into the incidents, as sweep after sweep would."""
        ended = 0
        while more := recover(self.parts, "pull"):
            self.read()
            ended += more
        return ended

    def read(self) -> None:
        """Take the inbox into the incidents."""
        while len(self.parts.inbox):
            ingest(self.parts)

    def said(self, fingerprint: str = "f" * 24) -> list[str]:
        """Return what an incident's timeline says of recovery."""
        timeline = self.record(fingerprint).incident.timeline
        return [entry.text for entry in timeline if entry.text.startswith("recovery ")]

    def fire(self, minute: float = 0, **more: object) -> None:
        """Let a problem of a service fire."""
        self.hear(firing(minute, **more))


def firing(minute: float = 0, **more: object) -> Alert:
    """Return a firing statement about service checkout."""
    event = f"{more.get('fingerprint', '')}{minute}{more.get('severity', '')}"
    return alert(minute, **{"service": "checkout", "event": event, **more})  # type: ignore[arg-type]  # fields by name
