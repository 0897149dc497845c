"""The sections of the config that no adapter owns, and the whole as the bridge uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from bridge.domain.alert import Severity
from bridge.domain.routing import Matcher, Route, Threshold, parse_matchers
from bridge.settings.address import group, is_group
from bridge.settings.canary import CanaryOptions, TakesBack
from bridge.settings.checks import PlannedCheck
from bridge.settings.heartbeats import HeartbeatOptions, LivenessOptions
from bridge.settings.mask import Mask
from bridge.settings.options import Duration, Options, Secret, Size, WebAddress
from bridge.settings.problems import Problem
from bridge.settings.recovery import Recovery
from bridge.settings.self_watch import SelfWatch
from bridge.settings.values import MatcherText, Positive, Timezone


@dataclass(frozen=True)
class Kinds:
    """The options of every adapter by its kind: settings stand below the adapters and don't know them."""

    sources: Mapping[str, type[Options]]
    destinations: Mapping[str, type[Options]]
    links: Mapping[str, type[Options]]
    scrub: type[Options]
    checks: Mapping[str, type[Options]] = field(default_factory=dict)
    recovery: Mapping[str, type[Options]] = field(default_factory=dict)
    takes_back: TakesBack = field(default=lambda kind, options: False)
    """Whether a destination can take back what it was told."""


def _redis_address(address: Secret | None) -> Secret | None:
    if address is not None:
        group(address.get_secret_value())
    return address


def _broker_address(address: Secret | None) -> Secret | None:
    if address is not None and "://" not in address.get_secret_value():
        raise ValueError(
            "is not a broker's address: write one such as redis://host:6379/0 or amqps://user:…@host/vhost"
        )
    if address is not None and is_group(address.get_secret_value()):
        group(address.get_secret_value())
    return address


class LinkWindow(Options):
    """The time around an incident that links show."""

    before: Duration = timedelta(minutes=15)
    """How long before it began to fire."""
    after: Duration = timedelta(minutes=15)
    """How long after it was resolved, or last seen while it fires; never past the present."""


class Incidents(Options):
    """The life of incidents."""

    reopen_within: Duration = timedelta(hours=24)
    """Firing again this soon after its resolution reopens an incident; later it becomes a new one."""
    retention: Positive = timedelta(days=30)
    """How long resolved incidents are kept; at least `reopen_within`."""
    repeat_every: Duration = timedelta(seconds=10)
    """How often at the most a mere repeat edits a message."""
    remember_for: Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=30))] = timedelta(days=7)
    """For how long at least a statement that was counted is known when it comes again; 1 to 30 days.

    Each takes some 50 bytes of the store for so long, and for up to half of it more.
    """

    @model_validator(mode="after")
    def _kept_long_enough(self) -> Self:
        if self.retention < self.reopen_within:
            raise ValueError(
                "retention is shorter than reopen_within: what is forgotten can't be reopened; lengthen it"
            )
        return self


def _long_enough(token: Secret | None) -> Secret | None:
    if token is not None and len(token.get_secret_value()) < 16:
        raise ValueError("is too short to be secret: make one with `openssl rand -hex 24`")
    return token


class Journal(Options):
    """What a receiver keeps on its own disk while the store can't take it; where: ALERT_BRIDGE_DATA."""

    max_size: Annotated[Size, Field(ge=1 << 20)] = 256 << 20
    """Of each receiver; beyond it senders are asked to come again."""


class InboxLimit(Options):
    """How much may wait for the workers before senders are asked to come again."""

    entries: int = Field(default=200_000, ge=1)
    """Requests."""
    bytes: Annotated[Size, Field(ge=1 << 20)] = 256 << 20
    """In the store's memory."""


class DeadLetters(Options):
    """How many dead letters are kept until a person sees to them; what is beyond is counted as shed, and logged."""

    deliveries: int = Field(default=10_000, ge=1)
    """Of deliveries: one for each incident and destination that refused it; about half a kilobyte each."""
    requests: int = Field(default=1000, ge=1)
    """Of proven requests that could not be parsed."""
    bytes: Annotated[Size, Field(ge=1 << 20)] = 64 << 20
    """Of those requests together, compressed, in the store's memory."""


class Timing(Options):
    """Times of the bridge's own protocol: right as they are; the fault bench shortens them."""

    lease: Positive = timedelta(seconds=30)
    """How long a worker holds a delivery before another takes over; longer than any sync (20 s)."""
    abandoned: Positive = timedelta(seconds=30)
    """After how long what a worker took from the inbox and did not finish is taken by another."""
    longest_wait: Positive = timedelta(minutes=5)
    """How long a delivery that fails again and again waits at the most, unless the vendor asks for more."""


class Receiver(Options):
    """The HTTP receiver; where it listens is the environment's HOST and PORT."""

    max_body: Annotated[Size, Field(ge=1024, le=64 << 20)] = 4 << 20
    """A larger request is answered 413; Alertmanager with 1,000 alerts sends 700 KiB to 2 MiB."""
    api_token: Annotated[Secret | None, AfterValidator(_long_enough)] = None
    """For /api: `Authorization: Bearer <token>`; without it there is no /api. At least 16 characters."""
    journal: Journal = Journal()
    inbox_limit: InboxLimit = InboxLimit()
    drain: Annotated[Duration, Field(le=timedelta(minutes=5))] = timedelta()
    """How long after SIGTERM requests are still taken while /readyz says 503, so that a load balancer looks away."""


class Log(Options):
    """Log lines, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console", "auto"] = "auto"
    """auto: console on a terminal, else json."""


class Redis(Options):
    """The store."""

    url: Annotated[Secret | None, AfterValidator(_redis_address)] = Field(
        default=None, examples=["redis://store:6379/0"]
    )
    """By default the environment's REDIS_URL."""
    prefix: str = Field(default="{ab}:", pattern=r"^[!-z|~]*\{[!-z|~]+\}[!-z|~]*$", max_length=64)
    """Before every key, to let several bridges share one Redis; its {hash tag} keeps a Cluster's keys together."""


class General(Options):
    """What stands at the top of the config beside sources, destinations, routes, links and scrub."""

    timezone: Timezone = ZoneInfo("UTC")
    """In which people read times."""
    public_url: WebAddress | Literal[""] = ""
    """Where senders and people reach the receiver from outside."""
    link_window: LinkWindow = LinkWindow()
    incidents: Incidents = Incidents()
    receiver: Receiver = Receiver()
    dead_letters: DeadLetters = DeadLetters()
    timing: Timing = Timing()
    self_watch: SelfWatch = SelfWatch()
    canary: CanaryOptions | None = None
    """A test alert of the bridge's own, again and again, to see that alerts arrive; by default none."""
    log: Log = Log()
    redis: Redis = Redis()
    broker_url: Annotated[Secret | None, AfterValidator(_broker_address)] = None
    """Of Celery's broker; by default the store's Redis."""
    sentry_dsn: Secret | None = None
    """Where the bridge's own errors are reported; by default the environment's SENTRY_DSN."""


class RouteOptions(Options):
    """One route."""

    match: tuple[MatcherText, ...] = Field(default=(), examples=[["severity=critical"]])
    """Alertmanager's matchers, all of which have to hold; none: everything matches."""
    to: tuple[str, ...] = Field(examples=[["oncall"]])
    """Names of destinations; an empty list tells nobody."""
    continue_: bool = Field(default=False, alias="continue")
    """Ask the routes below too."""
    recover: tuple[str, ...] = Field(default=(), examples=[["restart-shop"]])
    """Names of recovery actions that are tried against what matches."""

    def route(self) -> Route:
        """Return the route with its matchers parsed."""
        matchers: tuple[Matcher, ...] = tuple(m for text in self.match for m in parse_matchers(text))
        return Route(matchers, self.to, self.continue_, self.recover)


class ThresholdOptions(Options):
    """What every destination takes beside its own options: when an incident is first told there."""

    min_severity: Severity = Severity.INFO
    min_count: int = Field(default=1, ge=1)
    """Distinct firing statements."""
    for_: Duration = Field(default=timedelta(), alias="for")
    """How long it must have been firing."""
    fallback: str = ""
    """Another destination: it hears of an incident that this one refuses for good."""

    def threshold(self) -> Threshold:
        """Return the same for the domain."""
        return Threshold(min_severity=self.min_severity, min_count=self.min_count, for_=self.for_)


@dataclass(frozen=True)
class Configured:
    """A source of a kind, with that kind's options."""

    kind: str
    options: Options
    liveness: LivenessOptions = field(default_factory=LivenessOptions)


@dataclass(frozen=True)
class Destination:
    """A sink of a kind, with that kind's options, and when it is first told of an incident."""

    kind: str
    options: Options
    threshold: Threshold
    fallback: str = ""
    """The destination that hears of what this one refuses; may be empty."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A config that holds together: every name it uses is defined in it."""

    file: str
    general: General
    sources: Mapping[str, Configured]
    destinations: Mapping[str, Destination]
    routes: tuple[Route, ...]
    """Without any in the config: one that sends everything everywhere."""
    links: tuple[Options, ...]
    scrub: Options
    redis_url: Secret | None
    """From the config, else from REDIS_URL; None: `up` starts its own store."""
    sentry_dsn: Secret | None
    heartbeats: Mapping[str, HeartbeatOptions] = field(default_factory=dict)
    checks: Mapping[str, PlannedCheck] = field(default_factory=dict)
    """Targets that the bridge itself looks at; none in most configs."""
    data: Path = Path("data")
    """Where this machine's files lie: the embedded store's and the journal's; the environment's ALERT_BRIDGE_DATA."""
    recovery: Mapping[str, Recovery] = field(default_factory=dict)
    """Recovery actions by name."""
    warnings: tuple[Problem, ...] = ()
    mask: Mask = field(default_factory=lambda: Mask(()))
    """Takes the secrets of this config out of what others say."""

    @property
    def timezone(self) -> ZoneInfo:
        """In which people read times."""
        return self.general.timezone

    @property
    def public_url(self) -> str:
        """Where the receiver is reached from outside, without a slash at its end; may be empty."""
        return self.general.public_url

    @property
    def link_window(self) -> LinkWindow:
        """The time around an incident that links show."""
        return self.general.link_window

    @property
    def incidents(self) -> Incidents:
        """The life of incidents."""
        return self.general.incidents

    @property
    def receiver(self) -> Receiver:
        """The HTTP receiver."""
        return self.general.receiver

    @property
    def log(self) -> Log:
        """Log lines."""
        return self.general.log

    @property
    def redis_prefix(self) -> str:
        """Before every key in the store."""
        return self.general.redis.prefix

    @property
    def broker_url(self) -> Secret | None:
        """Of Celery's broker: its own, else the store's."""
        return self.general.broker_url or self.redis_url


def config_path(environ: Mapping[str, str]) -> Path:
    """Return where the config is: ALERT_BRIDGE_CONFIG, or config/bridge.yaml."""
    return Path(environ.get("ALERT_BRIDGE_CONFIG") or "config/bridge.yaml")


def data_path(environ: Mapping[str, str]) -> Path:
    """Return where this machine's files lie: ALERT_BRIDGE_DATA, or ./data."""
    return Path(environ.get("ALERT_BRIDGE_DATA") or "data")
