"""settings → running parts; the only module that names concrete classes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from bridge import selfreport
from bridge.checks import CHECKS
from bridge.dial import address, call
from bridge.domain.canary import NAME
from bridge.domain.heartbeat import Plan
from bridge.domain.routing import Routes
from bridge.enrich.links import LINKS, LinkOptions, Links
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline import beats, selfwatch
from bridge.pipeline.check_alert import Scrubbers
from bridge.pipeline.checkups import Watched
from bridge.pipeline.parts import Aviary, Bell, Parts, Recovery
from bridge.pipeline.rounds import Rounds
from bridge.ports import Action, House, Prepares, Sink, Source
from bridge.recovery import ACTIONS
from bridge.settings import ConfigError, Kinds, Problem, Secret, Settings, config_path
from bridge.settings import load as load_settings
from bridge.settings.heartbeats import HEARTBEAT
from bridge.sinks import SINKS, takes_back
from bridge.sources import SOURCES
from bridge.sources.canary import Canary
from bridge.store.checks import Checks
from bridge.store.deadletters import DeadLetters, LetterLimit
from bridge.store.deliveries import Deliveries
from bridge.store.doorbell import Doorbell
from bridge.store.flights import Flights
from bridge.store.heartbeats import Heartbeats
from bridge.store.inbox import Inbox
from bridge.store.incidents import Incidents
from bridge.store.keyspace import Keyspace, connect
from bridge.store.presence import Presence
from bridge.store.proof import Proofs
from bridge.store.runs import Runs
from bridge.store.vitals import Vitals

if TYPE_CHECKING:
    from celery import Celery

NO_STORE = "there is no store: set REDIS_URL (or redis.url), or run `alert-bridge up`, which brings its own"


def kinds() -> Kinds:
    """Return what can be configured, by kind."""
    return Kinds(
        sources={kind: source.Options for kind, source in SOURCES.items()},
        destinations={kind: sink.Options for kind, sink in SINKS.items()},
        links=LINKS,
        scrub=ScrubOptions,
        checks={kind: check.Options for kind, check in CHECKS.items()},
        recovery={kind: action.Options for kind, action in ACTIONS.items()},
        takes_back=takes_back,
    )


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the config that the environment names; raises ConfigError with every mistake in it."""
    return load_settings(config_path(environ), kinds(), environ)


def redis_url(settings: Settings) -> str:
    """Return the store's address; raises ConfigError if there is none."""
    if settings.redis_url is None:
        raise ConfigError([Problem(file=settings.file, message=NO_STORE)])
    return settings.redis_url.get_secret_value()


def keyspace(settings: Settings) -> Keyspace:
    """Return the bridge's keys in its store."""
    return Keyspace(connect(redis_url(settings), settings.redis_prefix), settings.redis_prefix)


def letter_limit(settings: Settings) -> LetterLimit:
    """Return how many requests are kept as dead letters."""
    given = settings.general.dead_letters
    return LetterLimit(requests=given.requests, bytes=given.bytes)


def dead_letters(settings: Settings) -> DeadLetters:
    """Return the dead letters."""
    return DeadLetters(keyspace(settings), letter_limit(settings))


def celery(settings: Settings) -> Celery:
    """Return the Celery app; its broker is the store unless another one is configured."""
    from bridge.bell import celery_app  # here, not above: who only rings at the store needs no Celery

    broker = settings.broker_url.get_secret_value() if settings.broker_url else redis_url(settings)
    return celery_app(broker, settings.redis_prefix)


def bell(settings: Settings, keys: Keyspace, app: Celery | None = None) -> Bell:
    """Return what rings: past Celery where its queue lies in the store."""
    if settings.broker_url in (None, settings.redis_url):
        return Doorbell(keys)
    from bridge.bell import CeleryBell

    return CeleryBell(app or celery(settings))


def sources(settings: Settings) -> dict[str, Source]:
    """Return the sources by name."""
    made = {name: SOURCES[one.kind](name, one.options) for name, one in settings.sources.items()}
    own = canary(settings)
    return made if own is None else made | {NAME: own}


def sinks(settings: Settings) -> dict[str, Sink]:
    """Return the destinations by name."""
    house = House(timezone=settings.timezone, public_url=settings.public_url)
    return {name: SINKS[one.kind](name, one.options, house) for name, one in settings.destinations.items()}


def prepare(sinks: Iterable[Sink]) -> None:
    """Load what speaks to the vendors: in the processes that deliver."""
    for sink in sinks:
        if isinstance(sink, Prepares):
            sink.prepare()


def actions(settings: Settings) -> dict[str, Action]:
    """Return the recovery actions by name."""
    return {name: ACTIONS[one.kind](name, one.options) for name, one in settings.recovery.items()}


def scrubber(settings: Settings) -> Scrubber:
    """Return what takes secrets and personal data out."""
    return Scrubber(cast("ScrubOptions", settings.scrub))


def plans(settings: Settings) -> list[Plan]:
    """Return when heartbeats are expected, and requests of sources that have to speak now and then."""
    zone = settings.timezone
    quiet = [one.liveness.plan(name, zone) for name, one in settings.sources.items()]
    return [one.plan(name, zone) for name, one in settings.heartbeats.items()] + [one for one in quiet if one]


def ping_keys(settings: Settings) -> dict[str, str]:
    """Return the name of the pings that come with each key."""
    return {one.key.get_secret_value(): HEARTBEAT + name for name, one in settings.heartbeats.items() if one.key}


def parts(settings: Settings, app: Celery | None = None) -> Parts:
    """Return what a worker works with."""
    keys = keyspace(settings)
    window = settings.link_window
    return Parts(
        inbox=Inbox(keys),
        incidents=Incidents(keys, settings.incidents.retention, settings.incidents.remember_for),
        deliveries=Deliveries(keys, settings.general.dead_letters.deliveries),
        bell=bell(settings, keys, app),
        mask=settings.mask,
        vitals=Vitals(keys),
        listeners=dict.fromkeys(beats.KINDS, beats.heed) | {"self": selfwatch.heed},
        heartbeats=Heartbeats(keys, plans(settings)),
        watchdogs=[dog for name, one in settings.heartbeats.items() if (dog := one.watchdog(name))],
        proofs=Proofs(keys),
        aviary=aviary(settings, keys),
        pulse=_pulse(settings),
        self_watch=settings.general.self_watch,
        inbox_limit=settings.receiver.inbox_limit,
        sinks=sinks(settings),
        routes=Routes(settings.routes),
        thresholds={name: one.threshold for name, one in settings.destinations.items()},
        fallbacks={name: one.fallback for name, one in settings.destinations.items() if one.fallback},
        links=Links(cast("tuple[LinkOptions, ...]", settings.links), window.before, window.after),
        recovery=recovery(settings, keys) if settings.recovery else None,
        reopen_within=settings.incidents.reopen_within,
        repeat_every=settings.incidents.repeat_every,
        lease=settings.general.timing.lease,
        abandoned=settings.general.timing.abandoned,
        longest_wait=settings.general.timing.longest_wait,
    )


def canary(settings: Settings) -> Canary | None:
    """Return the source of canaries; signed with a secret of its own, or one made of its destinations' secrets."""
    options = settings.general.canary
    if options is None:
        return None
    if options.secret is not None:
        return Canary(options.secret.get_secret_value().encode())
    given = [settings.destinations[name].options for name in options.to]
    values = [value for one in given for _, value in sorted(one) if isinstance(value, Secret)]
    made = "\0".join(value.get_secret_value() for value in values)
    return Canary(hashlib.blake2b(made.encode(), person=b"canary").digest())


def canary_url(settings: Settings) -> str:
    """Return where canaries are sent: as configured, or as senders do, or to the receiver on this machine."""
    given = settings.general.canary.url if settings.general.canary else ""
    here = address(os.environ.get("HOST", ""), int(os.environ.get("PORT") or 8080))
    return f"{given or settings.public_url or here}/hooks/{NAME}"


def aviary(settings: Settings, keys: Keyspace) -> Aviary | None:
    """Return what is needed to fly canaries, if they are configured."""
    options, source = settings.general.canary, canary(settings)
    if options is None or source is None:
        return None
    to = canary_url(settings)
    return Aviary(
        flights=Flights(keys),
        source=source,
        post=lambda sample: call("POST", to, sample.body, sample.headers),
        to=options.to,
        every=options.every,
        within=options.within,
        keep=options.keep,
    )


def _pulse(settings: Settings) -> Callable[[], str] | None:
    url = settings.general.self_watch.heartbeat_url
    return None if url is None else lambda: call("GET", url.get_secret_value())


def presence(settings: Settings) -> Presence:
    """Return this process's place among the workers."""
    return Presence(keyspace(settings))


def checks(settings: Settings) -> dict[str, Watched]:
    """Return the checks by name."""
    return {
        name: Watched(name=name, check=CHECKS[one.kind](name, one.options, one.plan.within), plan=one.plan)
        for name, one in settings.checks.items()
    }


def check_scrubbers(settings: Settings) -> Scrubbers:
    """Return what takes secrets out of what checks saw."""
    return Scrubbers.of(cast("ScrubOptions", settings.scrub))


def rounds(settings: Settings, app: Celery) -> Rounds:
    """Return what runs a worker's checks."""
    keys = keyspace(settings)
    scrubbers = check_scrubbers(settings)
    return Rounds(Checks(keys), checks(settings).values(), scrubbers, bell(settings, keys, app))


def recovery(settings: Settings, keys: Keyspace) -> Recovery:
    """Return what a worker runs recovery actions with."""
    return Recovery(
        runs=Runs(keys),
        actions=actions(settings),
        guards={name: one.guard for name, one in settings.recovery.items()},
        timezone=settings.timezone,
        scrub=scrubber(settings).scrub,
    )


def report_errors(settings: Settings) -> None:
    """Report the bridge's own errors to Sentry, if a DSN is set."""
    if settings.sentry_dsn is not None:
        scrub, mask = scrubber(settings).scrub_json, settings.mask.inside
        selfreport.set_up(settings.sentry_dsn.get_secret_value(), lambda event: scrub(mask(event)))
