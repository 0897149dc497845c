"""The receiver as a process: `uvicorn --factory bridge.web.serve:build`, which is what `alert-bridge serve` runs."""

from __future__ import annotations

import structlog
from starlette.applications import Starlette

from bridge import logs, wiring
from bridge.settings import Settings
from bridge.store.journal import Journal
from bridge.web.app import Receiver, application
from bridge.web.inlet import InboxLimit
from bridge.web.protocol import Punctual, make_room

log = structlog.get_logger(__name__)


def build() -> Starlette:
    """Return the receiver of the config that ALERT_BRIDGE_CONFIG names; raises ConfigError."""
    settings = wiring.load()
    logs.set_up(settings.log.level, settings.log.format)
    wiring.report_errors(settings)
    Punctual.most = make_room()
    log.info("receiver_started", sources=sorted(settings.sources), destinations=sorted(settings.destinations))
    return application(receiver(settings))


def receiver(settings: Settings) -> Receiver:
    """Return what the receiver needs, of a config; raises ConfigError without a store."""
    own = settings.receiver
    return Receiver(
        sources=wiring.sources(settings),
        scrubber=wiring.scrubber(settings),
        redis_url=wiring.redis_url(settings),
        keyspace=wiring.keyspace(settings),
        parts=wiring.parts(settings, wiring.celery(settings)),
        journal=Journal(settings.data / "journal", max_size=own.journal.max_size),
        inbox_limit=InboxLimit(entries=own.inbox_limit.entries, bytes=own.inbox_limit.bytes),
        max_body=own.max_body,
        drain=own.drain,
    )
