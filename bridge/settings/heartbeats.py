"""Heartbeats in the config, and after what silence of a source somebody is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator

from bridge.domain.alert import Severity
from bridge.domain.heartbeat import Plan
from bridge.domain.matcher import parse_matchers
from bridge.domain.watchdog import Watchdog
from bridge.settings.document import Document
from bridge.settings.options import Duration, Options, Secret, parse_duration
from bridge.settings.problems import did_you_mean, listed
from bridge.settings.values import MatcherText, Timezone

HEARTBEAT, SOURCE = "heartbeat:", "source:"
_KEY = re.compile(r"[A-Za-z0-9_.~-]{16,128}")
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def _fit(key: Secret | None) -> Secret | None:
    if key is not None and not _KEY.fullmatch(key.get_secret_value()):
        what = "is no key: 16 to 128 letters, digits, - and _, because it stands in an address"
        raise ValueError(f"{what}; make one with `openssl rand -hex 16`")
    return key


def _cron(text: str) -> str:
    """Return a cron expression in five fields (or six, with seconds in front); raises ValueError."""
    expression = _ALIASES.get(text.strip().lower(), " ".join(text.split()))
    form = "write minute, hour, day of month, month and day of week, as in 30 3 * * 1-5"
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))  # a leap year
    except CronSimError as error:
        why = str(error)[:1].lower() + str(error)[1:]
        raise ValueError(f'"{text}" is no cron expression ({why}): {form}') from error
    except StopIteration:
        raise ValueError(f'"{text}" never comes: {form}') from None
    return expression


def _web(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", text):
        raise ValueError("is not an address: write https://…")
    return text


Second = Annotated[Duration, Field(ge=timedelta(seconds=1))]


class AlertOptions(Options):
    """Alerts that are pings of a heartbeat: they make no incident; that they stay away is the news."""

    source: str = Field(examples=["alertmanager"])
    """Name of the source that they come through."""
    match: tuple[MatcherText, ...] = Field(min_length=1, examples=[["alertname=Watchdog"]])
    """Alertmanager's matchers, all of which have to hold."""


class HeartbeatOptions(Options):
    """One heartbeat: who pings, how often, and what is said when it does not."""

    key: Annotated[Secret | None, AfterValidator(_fit)] = Field(default=None, examples=["${BACKUP_KEY}"])
    """What its address ends with: /ping/<key>. 16 characters at least; no two heartbeats have the same."""
    alert: AlertOptions | None = None
    """Instead of a key: alerts of a source that are its pings."""
    period: Second | None = Field(default=None, examples=["1d"])
    """How often it pings."""
    cron: Annotated[str, AfterValidator(_cron)] = ""
    """Instead of a period: when it pings."""
    timezone: Timezone | None = None
    """In which `cron` is meant; by default the config's."""
    grace: Duration = timedelta(minutes=5)
    """How late a ping may be; and how long a run may take, if its start is pinged too."""
    severity: Severity = Severity.ERROR
    service: str = ""
    """By default the heartbeat's name."""
    environment: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    """For routes and link templates."""
    runbook: Annotated[str, AfterValidator(_web)] | None = None
    """Where it says what to do: a link in every message."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.key is None) == (self.alert is None):
            either = "either key (for /ping/<key>) or alert (alerts that are its pings)"
            raise ValueError(f"needs {either}" if self.key is None else f"takes {either}: remove one of the two")
        if bool(self.period) == bool(self.cron):
            raise ValueError("needs either period, as in 1h, or cron, as in 30 3 * * *: write one of the two")
        if self.timezone is not None and not self.cron:
            raise ValueError("timezone is for cron, and there is none: remove it")
        return self

    def plan(self, name: str, timezone: ZoneInfo) -> Plan:
        """Return the same for the domain; `timezone` is the config's."""
        return Plan(
            name=HEARTBEAT + name,
            every=self.period or timedelta(),
            cron=self.cron,
            timezone=str(self.timezone or timezone),
            grace=self.grace,
            severity=self.severity,
            service=self.service,
            environment=self.environment,
            labels=self.labels,
            runbook=self.runbook or "",
        )

    def watchdog(self, name: str) -> Watchdog | None:
        """Return which alerts are its pings; None if it has a key."""
        if self.alert is None:
            return None
        matchers = tuple(matcher for text in self.alert.match for matcher in parse_matchers(text))
        return Watchdog(HEARTBEAT + name, self.alert.source, matchers)


class LivenessOptions(Options):
    """What every source takes beside its own options."""

    expect_every: Annotated[Duration, Field(ge=timedelta(seconds=30))] | None = None
    """After so long without a proven request it is said that the source went quiet; by default never."""

    def plan(self, name: str, timezone: ZoneInfo) -> Plan | None:
        """Return the same for the domain; None if the source may be quiet."""
        if self.expect_every is None:
            return None
        return Plan(name=SOURCE + name, every=self.expect_every, timezone=str(timezone))


def misshapen(name: str, given: object) -> str:
    """Return what is said of a heartbeat that is no map; a bare text may be its period or its cron expression."""
    when = "period: 1d"
    if isinstance(given, str):
        form = "period" if _reads(parse_duration, given) else "cron" if _reads(_cron, given) else ""
        when = f'{form}: "{given}"' if form == "cron" else f"{form}: {given}" if form else when
    return f'{"is empty" if given is None else "has to be a map"}: write {name}: {{key: "${{BACKUP_KEY}}", {when}}}'


def _reads(reader: Callable[[str], object], text: str) -> bool:
    try:
        reader(text)
    except ValueError:
        return False
    return True


def check(found: Document, heartbeats: Mapping[str, HeartbeatOptions], sources: Collection[str]) -> None:
    """Add to the document what is wrong between heartbeats, and between them and the sources."""
    keys: dict[str, str] = {}
    for name, options in heartbeats.items():
        if options.key is not None:
            first = keys.setdefault(options.key.get_secret_value(), name)
            if first != name:
                found.fail(("heartbeats", name, "key"), f"is that of heartbeats.{first} too: each needs its own")
        if options.alert is not None and options.alert.source not in sources:
            source = options.alert.source
            known = f" There are: {listed(sources)}" if sources else " There are no sources: add it under sources"
            hint = did_you_mean(source, sources) or known
            found.fail(("heartbeats", name, "alert", "source"), f'there is no source "{source}".{hint}')
