"""GET, HEAD or POST /ping/<key>: the grammar of healthchecks.io, so that whatever pings there can ping here.

https://healthchecks.io/docs/http_api/
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qs
from uuid import UUID

import structlog

from bridge.domain.ping import Kind, Ping
from bridge.enrich.scrub import Scrubber
from bridge.web.answer import RETRY_AFTER
from bridge.web.body import Message, Receive
from bridge.web.hooks import trace_of
from bridge.web.visit import headers_of
from bridge.web.writer import NotStored, Writer

Send = Callable[[Message], Awaitable[None]]
Answer = tuple[int, str]

PATH = "/ping/"
KEPT = 10_000
"""Characters of a body that are kept."""
LOOKED_AT = 12_000
"""Bytes of it that are scrubbed before it is cut, so that no half of a secret is left at its end."""
TORN = 128
"""As long as a key may be, and other secrets are: so much goes where a body was cut in the middle of one."""
REPEATS = 1.0
"""Seconds in which the same ping again, without a body, says nothing new and costs nothing."""
_METHODS = ("GET", "HEAD", "POST")
_VERBS = {"": Kind.SUCCESS, "start": Kind.START, "fail": Kind.FAIL, "log": Kind.LOG}
_ALSO = {
    405: [(b"allow", b"GET, HEAD, POST")],
    503: [(b"retry-after", b"%d" % RETRY_AFTER)],
}

log = structlog.get_logger(__name__)


def digest(key: str) -> bytes:
    """Return what a key is looked up by: how long that takes says nothing of the keys there are."""
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


@dataclass
class _Newest:
    """The newest ping of a name, as far as it may be said again without a word."""

    said: tuple[Kind, int | None] | None
    """None: it had a body or a run id."""
    at: float
    answer: asyncio.Future[Answer]


class Pings:
    """The ASGI application below /ping/."""

    def __init__(self, names: Mapping[str, str], scrubber: Scrubber, writer: Writer) -> None:
        self._names = {digest(key): name for key, name in names.items()}
        self._scrubber = scrubber
        self._writer = writer
        self._newest: dict[str, _Newest] = {}
        self.answers: Counter[int] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key, _, verb = scope["path"].removeprefix(PATH).rstrip("/").partition("/")
        trace = trace_of(headers_of(scope["headers"]))
        name = self._names.get(digest(key), "")
        status, text = await self._answer(scope, receive, name, verb, key, trace)
        self.answers[status] += 1
        # Neither the path nor the query: they hold the key, or what somebody took for one.
        (log.info if status < 400 else log.warning)("pinged", name=name, status=status, answer=text, trace_id=trace)
        await _respond(send, status, text, trace)

    async def _answer(self, scope: Message, receive: Receive, name: str, verb: str, key: str, trace: str) -> Answer:
        if scope["method"] not in _METHODS:
            return 405, "a ping is sent with GET, HEAD or POST"
        if not name:
            return 404, "not found"
        kind, exit_status = _meant(verb)
        if kind is None:
            return 400, "after the key comes nothing, start, fail, log or an exit status from 0 to 255"
        run = _run(scope["query_string"])
        if run is None:
            return 400, "rid has to be a UUID"
        at = datetime.now(UTC)
        body, whole = await _head(receive) if scope["method"] == "POST" else (b"", True)
        if body is None:
            return 400, "the body did not arrive whole"
        text = self._clean(body, key, whole=whole)
        return await self._keep(Ping(name=name, kind=kind, at=at, exit_status=exit_status, body=text, run=run), trace)

    async def _keep(self, ping: Ping, trace: str) -> Answer:
        said = None if ping.body or ping.run else (ping.kind, ping.exit_status)
        now, before = time.monotonic(), self._newest.get(ping.name)
        if said and before and before.said == said and now - before.at < REPEATS:
            return await asyncio.shield(before.answer)
        newest = self._newest[ping.name] = _Newest(said, now, asyncio.get_running_loop().create_future())
        answer = 503, "it can't be kept right now"
        try:
            await self._writer.put([], trace, [ping])
            answer = 200, "OK"
        except NotStored as error:
            log.error("not_stored", source=ping.name, reason=str(error), trace_id=trace)
        finally:
            newest.answer.set_result(answer)
        return answer

    def _clean(self, body: bytes, key: str, *, whole: bool) -> str:
        """Return a body as it may be stored: scrubbed, also of the key, which stands in the trace of a script."""
        if not body:
            return ""
        text, _ = self._scrubber.scrub_text(body.decode("utf-8", "replace").replace(key, "[key]"))
        return text[:KEPT] if whole or len(text) > KEPT else text[:-TORN]


def _meant(verb: str) -> tuple[Kind | None, int | None]:
    """Return what stands behind the key: the kind and the exit status; no kind if it means nothing."""
    if verb in _VERBS:
        return _VERBS[verb], None
    if verb.isascii() and verb.isdecimal() and len(verb) <= 3 and int(verb) <= 255:
        return Kind.EXIT, int(verb)
    return None, None


def _run(query: bytes) -> str | None:
    """Return the run id, which may be empty; None if it is no UUID."""
    try:
        given = parse_qs(query.decode("latin-1"), max_num_fields=100).get("rid", [""])[0]
        return str(UUID(given)) if given else ""
    except ValueError:
        return None


async def _head(receive: Receive) -> tuple[bytes | None, bool]:
    """Return the beginning of a body, and whether that is all of it; None if the sender hung up meanwhile."""
    body, size, more = bytearray(), 0, True
    while more:  # to the end, for which the server has a deadline: what is not kept is no reason to complain
        message = await receive()
        if message["type"] == "http.disconnect":
            return None, False
        part = message.get("body", b"")
        size += len(part)
        body += part[: LOOKED_AT - len(body)]
        more = message.get("more_body", False)
    return bytes(body), size <= LOOKED_AT


async def _respond(send: Send, status: int, text: str, trace: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"ping-body-limit", b"%d" % KEPT),
        (b"x-trace-id", trace.encode()),
        *_ALSO.get(status, ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
