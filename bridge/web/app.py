"""The receiver's ASGI application: /hooks, /ping, /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge import selfreport
from bridge.enrich.scrub import Scrubber
from bridge.pipeline.parts import Parts
from bridge.ports import Source
from bridge.store.deadletters import DeadLetters, LetterLimit
from bridge.store.doorbell import Doorbell, ring_once
from bridge.store.journal import Journal
from bridge.store.keyspace import Keyspace, connect
from bridge.web.api import Api
from bridge.web.api import routes as api_routes
from bridge.web.aside import Aside
from bridge.web.drain import Drain
from bridge.web.hooks import Hooks
from bridge.web.inlet import STORE_WITHIN, InboxLimit, Inlet, client
from bridge.web.letterbox import Letterbox
from bridge.web.life import Life
from bridge.web.metrics import Gauges
from bridge.web.notice import Notice
from bridge.web.pings import PATH, Pings
from bridge.web.pressure import pressure_metrics
from bridge.web.readiness import Readiness
from bridge.web.watch import Watch
from bridge.web.wellbeing import Wellbeing
from bridge.web.writer import Writer


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """What the receiver needs of the bridge."""

    sources: dict[str, Source]
    scrubber: Scrubber
    redis_url: str
    keyspace: Keyspace
    parts: Parts
    journal: Journal
    inbox_limit: InboxLimit = field(default_factory=InboxLimit)
    letter_limit: LetterLimit = field(default_factory=LetterLimit)
    max_body: int = 1 << 20
    drain: timedelta = timedelta()
    api: Api | None = None
    ping_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Key → name of its pings."""
    quiet: Collection[str] = ()
    """Sources whose silence is to be noticed."""


class _Front(Starlette):
    """All addresses; webhooks and pings go past the framework, whose routing takes a tenth of a request's time."""

    def __init__(self, hooks: Hooks, pings: Pings, **pages: Any) -> None:
        super().__init__(**pages)
        self._hooks, self._pings = hooks, pings
        self.lane = hooks
        """What takes small requests as a whole from the connection (visit.py)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "") if scope["type"] == "http" else ""
        direct = self._hooks if path.startswith("/hooks/") else self._pings if path.startswith(PATH) else None
        if direct is None:
            await super().__call__(scope, receive, send)
            return
        try:
            await direct(scope, receive, send)
        except Exception as error:  # the server answers 500 and logs it
            selfreport.tell(error)
            raise


def application(receiver: Receiver) -> Starlette:
    """Return the receiver; its connections and its journal open and close with it."""
    store = client(receiver.redis_url, receiver.keyspace.prefix)
    inlet = Inlet(store, _ring(receiver), receiver.inbox_limit, receiver.keyspace.prefix)
    aside = Aside(receiver.journal)
    writer = Writer(inlet, aside)
    prefix = receiver.keyspace.prefix
    quick = Keyspace(connect(receiver.redis_url, prefix, timeout=STORE_WITHIN), prefix)
    letterbox = Letterbox(DeadLetters(quick, receiver.letter_limit), receiver.scrubber, inlet, aside)
    hooks = Hooks(receiver.sources, receiver.scrubber, writer, letterbox.keep, receiver.max_body, Life(receiver.quiet))
    pings = Pings(receiver.ping_keys, receiver.scrubber, writer)
    pressure = partial(pressure_metrics, inlet, receiver.journal, writer.shed)
    wellbeing = Wellbeing(quick, receiver.parts)
    gauges = Gauges(quick, list(receiver.parts.sinks), hooks.answers, pressure, wellbeing.metrics, pings.answers)
    drain = Drain(receiver.drain)
    watch = Watch(inlet, aside, letterbox, Notice(inlet, aside, writer.shed))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        drain.hear()
        await aside.open()
        watch.start()
        yield
        drain.begun = True
        await writer.close()
        await watch.stop()
        await aside.close()
        await store.aclose()
        quick.client.close()

    app = _Front(
        hooks,
        pings,
        routes=[
            Route("/healthz", _healthz),
            Route("/readyz", Readiness(quick, inlet, aside, drain, wellbeing).answer),
            Route("/metrics", _metrics(gauges)),
            *api_routes(receiver.api),
        ],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # senders follow no redirects; another address is a 404
    return app


def _ring(receiver: Receiver) -> Callable[[], None] | tuple[bytes, ...]:
    """Return how it is rung for the inbox: by the store itself, in the same round trip as the write, if it can."""
    bell = receiver.parts.bell
    return ring_once(receiver.keyspace.prefix) if isinstance(bell, Doorbell) else _ringer(bell.ingest)


def _ringer(ring: Callable[[], None]) -> Callable[[], None]:
    """Return a ring that never holds up the event loop: publishing through Celery blocks.

    While a ring is under way, at a broker that does not answer, others are left to the sweep.
    """
    thread = ThreadPoolExecutor(1, "ring")
    last: Future[None] | None = None

    def in_a_thread() -> None:
        nonlocal last
        if last is None or last.done():
            last = thread.submit(ring)

    return in_a_thread


async def _healthz(_: WebRequest) -> Response:
    return PlainTextResponse("ok\n")


def _metrics(gauges: Gauges) -> Callable[[WebRequest], Awaitable[Response]]:
    async def metrics(_: WebRequest) -> Response:
        text = await asyncio.to_thread(gauges.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return metrics
