"""The receiver as a process: `uvicorn --factory bridge.web.serve:build`, which is what `alert-bridge serve` runs."""

from __future__ import annotations

import structlog
from starlette.applications import Starlette

from bridge import garbage, logs, wiring
from bridge.pipeline.letters import Replayer
from bridge.settings import Settings
from bridge.store.journal import Journal
from bridge.web.api import Api
from bridge.web.app import Receiver, application
from bridge.web.inlet import InboxLimit
from bridge.web.protocol import Punctual, make_room

log = structlog.get_logger(__name__)


def build() -> Starlette:
    """Return the receiver of the config that ALERT_BRIDGE_CONFIG names; raises ConfigError."""
    settings = wiring.load()
    logs.set_up(settings.log.level, settings.log.format, settings.mask)
    wiring.report_errors(settings)
    Punctual.most = make_room()
    log.info("receiver_started", sources=sorted(settings.sources), destinations=sorted(settings.destinations))
    app = application(receiver(settings))
    garbage.collect_seldom()
    return app


def receiver(settings: Settings) -> Receiver:
    """Return what the receiver needs, of a config; raises ConfigError without a store."""
    own = settings.receiver
    sources, scrubber = wiring.sources(settings), wiring.scrubber(settings)
    parts = wiring.parts(settings)
    replayer = Replayer(letters=wiring.dead_letters(settings), parts=parts, sources=sources, scrubber=scrubber)
    token = own.api_token.get_secret_value() if own.api_token else ""
    return Receiver(
        sources=sources,
        scrubber=scrubber,
        redis_url=wiring.redis_url(settings),
        keyspace=wiring.keyspace(settings),
        parts=parts,
        journal=Journal(settings.data / "journal", max_size=own.journal.max_size),
        inbox_limit=InboxLimit(entries=own.inbox_limit.entries, bytes=own.inbox_limit.bytes),
        letter_limit=wiring.letter_limit(settings),
        max_body=own.max_body,
        drain=own.drain,
        ping_keys=wiring.ping_keys(settings),
        quiet=[name for name, one in settings.sources.items() if one.liveness.expect_every],
        api=Api(token=token, replayer=replayer, timezone=settings.timezone) if token else None,
    )
