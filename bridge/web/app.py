"""The receiver's ASGI application: /hooks, /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from bridge.domain.alert import event_id
from bridge.domain.words import clip
from bridge.enrich.scrub import Scrubber
from bridge.pipeline.parts import Parts
from bridge.ports import Request, Source
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Letter
from bridge.store.keyspace import Keyspace, options
from bridge.web.body import READ_WITHIN
from bridge.web.hooks import Hooks
from bridge.web.metrics import Gauges
from bridge.web.writer import Writer

STORE_WITHIN = 0.4
"""Seconds the store has for a write before the sender is asked to come again (Sentry hangs up after 1 s)."""
BODY_KEPT = 64_000
"""Characters of an unparseable body that its dead letter keeps."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """What the receiver needs of the bridge."""

    sources: dict[str, Source]
    scrubber: Scrubber
    redis_url: str
    keyspace: Keyspace
    parts: Parts
    max_body: int = 1 << 20
    read_within: float = READ_WITHIN


def application(receiver: Receiver) -> Starlette:
    """Return the receiver; its connections open and close with it."""
    client = redis.asyncio.Redis.from_url(
        receiver.redis_url, retry=Retry(NoBackoff(), 0), **options(receiver.redis_url, STORE_WITHIN)
    )
    draining = asyncio.Event()
    writer = Writer(client, _ringer(receiver.parts.bell.ingest), receiver.keyspace.prefix)
    letters = DeadLetters(receiver.keyspace)
    keep = _keeper(letters, receiver.scrubber)
    limits = (receiver.max_body, receiver.read_within)
    hooks = Hooks(receiver.sources, receiver.scrubber, writer, keep, *limits)
    gauges = Gauges(receiver.keyspace, list(receiver.parts.sinks), hooks.answers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        draining.set()
        await client.aclose()

    return Starlette(
        routes=[
            Mount("/hooks", app=hooks),
            Route("/healthz", _healthz),
            Route("/readyz", _readyz(client, draining)),
            Route("/metrics", _metrics(gauges)),
        ],
        lifespan=lifespan,
    )


def _ringer(ring: Callable[[], None]) -> Callable[[], None]:
    """Return a ring that never holds up the event loop: publishing through Celery blocks."""

    def in_a_thread() -> None:
        asyncio.get_running_loop().run_in_executor(None, ring)

    return in_a_thread


def _keeper(letters: DeadLetters, scrubber: Scrubber) -> Callable[[str, Request, str], Awaitable[None]]:
    """Return what keeps a proven request that can't be parsed as a dead letter, scrubbed."""

    async def keep(source: str, request: Request, reason: str) -> None:
        scrubbed, _ = scrubber.scrub_body(request.body)  # before it is cut: half a secret is not recognised
        letter = Letter(
            id=f"{source}@{event_id(request.body)}",
            source=source,
            reason=reason,
            at=request.received_at,
            body=clip(scrubbed, BODY_KEPT),
        )
        try:
            kept = await asyncio.to_thread(letters.put, letter)
        except RedisError as error:
            log.error("dead_letter_lost", source=source, reason=reason, error=str(error))
        else:
            log.warning("unparseable", source=source, reason=reason, dead_letter=letter.id if kept else "shed")

    return keep


async def _healthz(_: WebRequest) -> Response:
    return PlainTextResponse("ok\n")


def _readyz(client: redis.asyncio.Redis, draining: asyncio.Event) -> Callable[[WebRequest], Awaitable[Response]]:
    async def readyz(_: WebRequest) -> Response:
        if draining.is_set():
            return JSONResponse({"ready": False, "why": "draining"}, 503)
        try:
            await client.ping()
        except (RedisError, OSError) as error:
            return JSONResponse({"ready": False, "why": f"the store does not answer: {error}"}, 503)
        return JSONResponse({"ready": True})

    return readyz


def _metrics(gauges: Gauges) -> Callable[[WebRequest], Awaitable[Response]]:
    async def metrics(_: WebRequest) -> Response:
        try:
            text = await asyncio.to_thread(gauges.text)
        except RedisError as error:
            return PlainTextResponse(f"the store does not answer: {error}\n", 503)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return metrics
