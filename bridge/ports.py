"""The protocols that adapters satisfy; the docstrings here are the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

import msgspec

from bridge.domain.alert import Alert, Link, Status
from bridge.domain.incident import Incident
from bridge.domain.observation import Observation
from bridge.settings import Options

# --- sources ---------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook request as it arrived, before anything was believed."""

    headers: Mapping[str, str]
    """Names in lower case, values decoded as Latin-1; of a repeated header the first counts."""
    body: bytes
    """The raw bytes (inflated if they came with Content-Encoding: gzip), at most the size cap."""
    received_at: datetime
    path_secret: str = ""
    """What follows the source's name in the path: POST /hooks/<name>/<path_secret>."""


class Unverified(Exception):
    """The request does not prove who sent it. Its message goes to the log, never to the sender."""


class Unparseable(Exception):
    """The request is proven but can't be understood. The message says what is wrong and where."""


class Ignored(msgspec.Struct, frozen=True):
    """A proven request that is no alert (a comment, an unsubscription): answered 200."""

    reason: str


class Handshake(msgspec.Struct, frozen=True):
    """A proven request that asks for a confirmation."""

    act: Callable[[], None]
    """Does it (an outgoing call, a few seconds at most); raises OSError to have it retried."""
    note: str
    """What is being confirmed, for the log."""


Parsed = list[Alert] | Handshake | Ignored


class Sample(msgspec.Struct, frozen=True):
    """A request that a source would accept as genuine, for `send-test` and the sandbox."""

    headers: dict[str, str]
    body: bytes
    path_secret: str = ""


class Source(Protocol):
    """A kind of sender, configured: proves a request and parses it into alerts.

    Constructed as `Kind(name, options)`; `name` becomes `alert.source` and the first part of fingerprints.
    Stateless but for caches; called from several threads.
    """

    Options: ClassVar[type[Options]]

    def needs_io(self, request: Request) -> bool:
        """Return True when `verify` would wait on the network; the receiver then calls it in a thread."""
        ...

    def verify(self, request: Request) -> None:
        """Return if the raw bytes prove the sender, in constant time; raise Unverified if not.

        Must not parse more than the proof itself needs.
        """
        ...

    def parse(self, request: Request) -> Parsed:
        """Return what the request says; raise Unparseable when a required field is missing or wrong."""
        ...

    def sample(self, status: Status, now: datetime) -> Sample:
        """Return a genuine-looking, correctly proven request about a made-up problem.

        The made-up problem is always the same one, so that `status=RESOLVED` resolves what FIRING opened.
        """
        ...


# --- sinks -----------------------------------------------------------------------------------------------


class Receipt(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What one destination has been told about one incident.

    Encoded by position in the store: fields are only ever added at the end, with a default.
    """

    handle: tuple[str, ...]
    """What the sink needs to find its own thing again: (channel, ts) or (issue key, issue id)."""
    version: int
    """Version of the incident that the thing itself shows."""
    told: int
    """Version of the newest timeline entry that was told (thread reply, comment)."""
    open: bool = True
    """False once the thing was closed for this incident."""
    link: Link | None = None
    """How other destinations point here: Link("Jira OPS-12", url)."""
    memo: tuple[str, ...] = ()
    """What else the sink wants to remember (a hash of what was shown, the links it knows); its own format."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The work of bringing one destination up to date with one incident."""

    incident: Incident
    receipt: Receipt | None
    """None before anything is known to stand outside."""
    links: tuple[Link, ...] = ()
    """Trace, logs, then what the sender gave (Runbook, …); http and https only; the title link is incident.url."""
    peers: tuple[Link, ...] = ()
    """Where the other destinations show this incident."""
    previous: Receipt | None = None
    """This destination's receipt of the incident this problem had before (incident.previous), if it is known."""
    now: datetime
    attempted_at: datetime | None = None
    """When the first attempt whose outcome is unknown began: how far back `find` has to look."""


class Outcome(Exception):
    """Why a sync did not finish. `receipt` carries what was achieved before it stopped, and must be kept."""

    def __init__(self, reason: str, *, receipt: Receipt | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.receipt = receipt


class RetryAt(Outcome):
    """Certainly not applied; try again after `after`.

    `blocked` is True when the whole destination can't be served (rate limit, token revoked, outage): nothing
    else will get through there before that either.
    """

    def __init__(self, reason: str, *, after: timedelta, blocked: bool = False, receipt: Receipt | None = None) -> None:
        super().__init__(reason, receipt=receipt)
        self.after = after
        self.blocked = blocked


class Unknown(Outcome):
    """May have been applied (time-out, reset, 5xx): after `Sink.settle`, `find` is asked before anything new."""


class Rejected(Outcome):
    """Will never be accepted as it is; becomes a dead letter with this reason (the vendor's own words)."""


class Level(StrEnum):
    """How a finding of `doctor` turned out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """One thing that `doctor` looked at."""

    level: Level
    what: str
    """What was found, with the value."""
    do: str = ""
    """What the operator should do about it; empty when all is well."""
    unreachable: bool = False
    """True when it failed because nothing answered."""


class House(msgspec.Struct, frozen=True, kw_only=True):
    """What every sink may know of the bridge it runs in."""

    timezone: tzinfo
    public_url: str = ""


class Pace(msgspec.Struct, frozen=True):
    """How fast a destination may be served, by all workers together."""

    per_second: float
    """0: as fast as it can."""
    burst: int
    """Deliveries that may go at once after a while of quiet."""


class Sink(Protocol):
    """A kind of receiver, configured: makes the difference between an incident and its receipt go away.

    Constructed as `Kind(name, options, house)`. No retries, no sleeps inside; every call has a time-out and one
    sync ends within 20 s. Called from several threads.
    """

    Options: ClassVar[type[Options]]
    settle: timedelta
    """How long the vendor may take until `find` sees what an interrupted call did."""
    tells_repeats: bool
    """True when a mere repeat should be shown (an edited count)."""
    pace: Pace

    def sync(self, delivery: Delivery) -> Receipt:
        """Bring the destination up to date: create if there is no receipt, else edit, tell what is untold, close.

        Returns the new receipt, with version = told = incident.version. Raises RetryAt, Unknown or Rejected.
        Idempotent given a true receipt: called again with the receipt it returned, it calls nothing outside.
        """
        ...

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return what an interrupted sync really left outside (also which entries were told), or None.

        `delivery.receipt` is the last one known, if any. Raises RetryAt or Unknown when the vendor can't be asked.
        """
        ...

    def examine(self) -> Iterable[Finding]:
        """Check token, scopes, target, … for `doctor`; raises nothing."""
        ...


# --- recovery actions ------------------------------------------------------------------------------------


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a recovery action against one incident."""

    incident: Incident
    key: str
    """Names this run, and is the same should it ever be asked for again: what the other side tells repetitions by."""
    at: datetime
    """When it was due; as unchanging as the key."""
    links: tuple[Link, ...] = ()
    """Trace, logs, then what the sender gave; http and https only."""


class Refused(Exception):
    """Certainly not done, with the reason; it is not tried again by itself."""


class Unsure(Exception):
    """May have been done (a time-out, a reset, a 5xx), with the reason; it is not tried again by itself."""


class Action(Protocol):
    """A kind of recovery action, configured: does one thing about an incident that fires.

    Constructed as `Kind(name, options)`. No retries, no sleeps inside; `act` ends within 20 s. Called from several
    threads. The pipeline asks when it may run (cool-down, budget, dry run, only while it fires), not the action.
    """

    Options: ClassVar[type[Options]]

    def target(self, incident: Incident) -> str:
        """Return what it would act on, for people and for the cool-down: "ECS service prod/checkout".

        Calls nothing. Raises Refused when what the incident says can't be the name of such a thing: senders
        influence labels.
        """
        ...

    def plan(self, incident: Incident) -> str:
        """Return what `act` would do, as a clause after "would": "restart ECS service prod/checkout"."""
        ...

    def act(self, attempt: Attempt) -> str:
        """Do it, once; return what was done as a clause. Raises Refused or Unsure."""
        ...

    def examine(self) -> Iterable[Finding]:
        """Check credentials and permission for `doctor`, changing nothing; raises nothing."""
        ...


@runtime_checkable
class TakesBack(Protocol):
    """What a sink may be able to do beside `Sink`: take back what it told. Needed of a canary's destinations."""

    def take_back(self, delivery: Delivery, receipt: Receipt) -> Receipt:
        """Remove what the receipt names, which may be gone already; returns the receipt, closed. Raises as `sync`."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """What a sink may have beside `Sink`, if a library speaks to the vendor for it."""

    def prepare(self) -> None:
        """Load the library. Workers call it when they start, so that the first delivery need not wait; receivers never.

        Until then, and where it is never called, the sink is there for its name, options and pace only.
        """
        ...


# --- checks ----------------------------------------------------------------------------------------------


class Check(Protocol):
    """A kind of health check, configured: looks at its target once.

    Constructed as `Kind(name, options, timeout)`. Runs on an event loop beside hundreds of others: it never blocks.
    """

    Options: ClassVar[type[Options]]
    target: str
    """What is looked at, for people: an address without its secrets."""

    async def look(self, now: datetime, trace_id: str) -> Observation:
        """Return what was seen; raises nothing, and ends within the time-out.

        `trace_id` is what a request carries in its traceparent, if the kind can carry one.
        """
        ...
