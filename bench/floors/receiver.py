"""The floor of the receiver: read, HMAC, XADD, 202; many requests share one write.

FLOOR_KEEPS is how many bytes of a body are stored: as many as the bridge stores of it, so that both load the store
alike and the difference is what the bridge does more.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import redis.asyncio

Message = MutableMapping[str, Any]
KEY, STREAM = b"bench-secret", "floor"
KEEPS = int(os.environ.get("FLOOR_KEEPS", "1000"))
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"14")]
_client = redis.asyncio.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1"))
_ANOTHER = bytes(32)
_waiting: list[tuple[bytes, asyncio.Future[None]]] = []
_flushing: list[asyncio.Task[None]] = []


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Awaitable[None]]) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        return
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    hmac.compare_digest(hmac.digest(KEY, body, "sha256"), _ANOTHER)
    await _store(body[:KEEPS])
    await send({"type": "http.response.start", "status": 202, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b'{"accepted":1}'})


async def _store(body: bytes) -> None:
    done = asyncio.get_running_loop().create_future()
    _waiting.append((body, done))
    if not _flushing:
        _flushing.append(asyncio.create_task(_flush()))
    await done


async def _flush() -> None:
    while _waiting:
        batch = _waiting[:200]
        del _waiting[:200]
        pipe = _client.pipeline(transaction=False)
        for body, _ in batch:
            pipe.xadd(STREAM, {"a": body})
        await pipe.execute()
        for _, done in batch:
            done.set_result(None)
    _flushing.clear()
