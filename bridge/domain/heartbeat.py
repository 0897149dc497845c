"""Heartbeats: what is expected when, what came, and what follows from it; words for people: `heartbeat_words`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from bridge.domain.alert import Severity, from_epoch
from bridge.domain.ping import Kind, Ping
from bridge.domain.words import clip

ENDS_KEPT, NOTES_KEPT = 10, 5
BODY_KEPT = 200
"""Characters that are kept of a ping's body once a newer one of its sort has come."""
AHEAD = timedelta(seconds=10)
"""So far may a sender's clock be ahead: a ping so long before a time of its cron expression belongs to that time."""
LONG_AGO = from_epoch(0)
SETTLING, LONGEST_SETTLING = timedelta(seconds=30), timedelta(minutes=10)


class Plan(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """When pings of one name are expected, and what is said when none come.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    name: str
    """As in `Ping.name`: `heartbeat:<name>` or `source:<name>`."""
    every: timedelta = timedelta()
    """Zero where there is a cron expression."""
    cron: str = ""
    timezone: str = "UTC"
    """In which the cron expression is meant, and times are written."""
    grace: timedelta = timedelta()
    """How late a ping may be; and how long a run may take, from its start to its end."""
    severity: Severity = Severity.ERROR
    service: str = ""
    environment: str = ""
    labels: dict[str, str] = {}
    runbook: str = ""

    @property
    def schedule(self) -> tuple[object, ...]:
        """What decides about times: when that changes, the waiting begins anew."""
        return (self.every, self.cron, self.timezone, self.grace)

    def next_after(self, at: datetime) -> datetime:
        """Return when the ping after one that came at a time is expected."""
        return at + self.every if not self.cron else _tick(self.cron, self.timezone, at + AHEAD)

    def settled(self, resumed: datetime) -> datetime:
        """Return until when nothing is called missing after the bridge was away: a lost ping's successor may come."""
        again = self.next_after(resumed) + (self.grace if self.cron else timedelta())
        return min(again, resumed + LONGEST_SETTLING) + SETTLING


@lru_cache(1000)
def _tick(cron: str, timezone: str, after: datetime) -> datetime:
    return next(CronSim(cron, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)


class Why(StrEnum):
    """What is wrong with a heartbeat."""

    MISSING = "missing"
    UNFINISHED = "unfinished"
    """A run began, and did not end within the grace."""
    FAILED = "failed"
    """It said so itself."""


class Trouble(msgspec.Struct, frozen=True, array_like=True):
    """A heartbeat that is down."""

    why: Why
    since: datetime
    after: datetime
    """Only a success that is not earlier than this ends it."""
    expected: datetime
    """When the ping should have come that did not; of a failure, when it was said."""


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is known of one heartbeat.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    since: datetime
    """Since when it is watched by its present schedule."""
    ends: tuple[Ping, ...] = ()
    """The newest successes and failures, oldest first; the last with its body in full."""
    start: Ping | None = None
    """The newest."""
    notes: tuple[Ping, ...] = ()
    """The newest LOG pings."""
    spent: datetime | None = None
    """A start that is not later than this was called unfinished, and is waited for no more."""
    trouble: Trouble | None = None
    episode: int = 0
    """How often it went down."""

    @property
    def last(self) -> Ping | None:
        """The newest success or failure."""
        return self.ends[-1] if self.ends else None

    @property
    def running(self) -> Ping | None:
        """The start of the run under way, if one is."""
        start = self.start
        if start is None or (self.spent is not None and start.at <= self.spent):
            return None
        return None if any(end.run == start.run and end.at >= start.at for end in self.ends) else start

    @property
    def took(self) -> timedelta | None:
        """How long the last run took, if its start and its end are known."""
        if self.start is None or self.last is None or self.last.run != self.start.run or self.last.at < self.start.at:
            return None
        return self.last.at - self.start.at


class State(StrEnum):
    """How a heartbeat is, in a word."""

    NEW = "new"
    """Never heard, and not yet missing."""
    UP = "up"
    STARTED = "started"
    LATE = "late"
    """Within its grace."""
    HELD = "held"
    """Past its grace; but the bridge was away, and its ping may have found nobody."""
    DOWN = "down"


class Verdict(msgspec.Struct, frozen=True):
    """What follows from a ping, or from none."""

    record: Record
    deadline: datetime | None
    """When to look again; None while it is down."""
    fell: Trouble | None = None
    """There is trouble to tell of: new, or with news."""
    rose: Trouble | None = None
    """This trouble is over."""


def expected(record: Record, plan: Plan) -> datetime:
    """Return when the next ping should come."""
    last = record.last
    return plan.next_after(max(record.since, last.at) if last else record.since)


def deadline(record: Record, plan: Plan) -> datetime:
    """Return when it is down if nothing comes before; as with healthchecks.io, a run must end within the grace."""
    due = expected(record, plan) + plan.grace
    running = record.running
    return min(due, running.at + plan.grace) if running else due


def called_missing(record: Record, plan: Plan, resumed: datetime) -> datetime:
    """Return when it is down if nothing comes before, after the bridge was away until `resumed`."""
    return max(deadline(record, plan), plan.settled(resumed))


def state(record: Record, plan: Plan, now: datetime, resumed: datetime = LONG_AGO) -> State:
    """Return how it is, for a list; `resumed` as in `called_missing`."""
    if record.trouble:
        return State.DOWN
    if deadline(record, plan) <= now < called_missing(record, plan, resumed):
        return State.HELD
    if record.running:
        return State.STARTED
    if now >= expected(record, plan):
        return State.LATE
    return State.UP if record.last else State.NEW


def beat(record: Record, ping: Ping, plan: Plan, now: datetime) -> Verdict:
    """Take in a ping; the same one again changes nothing, and an older one does not undo a newer one."""
    heard = _with(record, ping)
    last = heard.last
    if heard is record or last is not ping:  # known, not the newest, or neither success nor failure
        return Verdict(heard, None if heard.trouble else deadline(heard, plan))
    if last.failed:
        since = record.trouble.since if record.trouble else last.at
        return _fallen(heard, Trouble(Why.FAILED, since, last.at, last.at))
    if heard.trouble and last.at >= heard.trouble.after and now < deadline(heard, plan):
        risen = msgspec.structs.replace(heard, trouble=None)
        return Verdict(risen, deadline(risen, plan), rose=heard.trouble)
    return Verdict(heard, None if heard.trouble else deadline(heard, plan))


def lapse(record: Record, plan: Plan, now: datetime) -> Verdict:
    """See whether what should have come by now has not."""
    if record.trouble:
        return Verdict(record, None)
    due = deadline(record, plan)
    if now < due:
        return Verdict(record, due)
    running, last = record.running, record.last
    if running and running.at + plan.grace == due:
        spent = msgspec.structs.replace(record, spent=running.at)
        return _fallen(spent, Trouble(Why.UNFINISHED, due, running.at, due))
    after = last.at if last else datetime.min.replace(tzinfo=UTC)
    return _fallen(record, Trouble(Why.MISSING, due, after, expected(record, plan)))


def replanned(record: Record, old: Plan, new: Plan, now: datetime) -> Record:
    """Return the record under another plan: a new schedule counts from now, so that nothing is missing at once."""
    return record if old.schedule == new.schedule else msgspec.structs.replace(record, since=now)


def _fallen(record: Record, trouble: Trouble) -> Verdict:
    episode = record.episode if record.trouble else record.episode + 1
    return Verdict(msgspec.structs.replace(record, trouble=trouble, episode=episode), None, fell=trouble)


def _key(ping: Ping) -> tuple[datetime, str, int, str]:
    """Return what tells a ping from others of its name, and puts it in order."""
    return (ping.at, ping.kind, -1 if ping.exit_status is None else ping.exit_status, ping.run)


def _with(record: Record, ping: Ping) -> Record:
    """Return the record with a ping in it; the same one if it holds it already, or newer ones enough."""
    if ping.kind is Kind.START:
        newer = record.start is None or _key(ping) > _key(record.start)
        return msgspec.structs.replace(record, start=ping) if newer else record
    if ping.kind is Kind.LOG:
        notes = _among(record.notes, ping, NOTES_KEPT)
        return record if notes is record.notes else msgspec.structs.replace(record, notes=notes)
    ends = _among(record.ends, ping, ENDS_KEPT)
    return record if ends is record.ends else msgspec.structs.replace(record, ends=ends)


def _among(known: tuple[Ping, ...], ping: Ping, keep: int) -> tuple[Ping, ...]:
    if any(_key(one) == _key(ping) for one in known) or (len(known) == keep and _key(ping) < _key(known[0])):
        return known
    *older, newest = sorted((*known, ping), key=_key)[-keep:]
    return (*map(_short, older), newest)


def _short(ping: Ping) -> Ping:
    body = clip(ping.body, BODY_KEPT)
    return ping if body is ping.body else msgspec.structs.replace(ping, body=body)
