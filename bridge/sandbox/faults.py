"""Faults to inject into the sandboxes: what a vendor does on a bad day."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

_CLOSE = "alert_bridge.close"


class Kind(StrEnum):
    """What goes wrong."""

    ANSWER = "answer"
    """`status`, `headers` and `body` are answered instead of the truth."""
    DROP = "drop"
    """The connection is closed without an answer."""
    DELAY = "delay"
    """The true answer comes `seconds` late: slow, or a time-out when the client does not wait that long."""
    LAG = "lag"
    """What is written is seen by searches only after `seconds`; asked for with `Faults.lag`, never used up."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong at one endpoint."""

    endpoint: str
    """The sandbox's name of it ("chat.postMessage"), or "*"."""
    kind: Kind
    applied: bool = False
    """True: what was asked for is done first, and only the answer is lost or late."""
    times: int = 1
    """How often it strikes; 0 until it is cleared."""
    probability: float = 1.0
    """Chance that it strikes a call it fits."""
    seconds: float = 0.0
    status: int = 500
    headers: dict[str, str] = {}
    body: str = ""


def rate_limit(endpoint: str, seconds: int = 1, *, as_date: bool = False, times: int = 1) -> Fault:
    """Return 429 with Retry-After in seconds, or as an HTTP date that far from now."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    headers = {"retry-after": date if as_date else str(seconds)}
    return Fault(endpoint=endpoint, kind=Kind.ANSWER, status=429, headers=headers, times=times)


def server_error(endpoint: str, status: int = 500, *, applied: bool = False, times: int = 1) -> Fault:
    """Return a 5xx with an empty body, before or after doing what was asked."""
    return Fault(endpoint=endpoint, kind=Kind.ANSWER, status=status, applied=applied, times=times)


def drop(endpoint: str, *, applied: bool = True, times: int = 1) -> Fault:
    """Return a connection closed without an answer, by default after doing what was asked."""
    return Fault(endpoint=endpoint, kind=Kind.DROP, applied=applied, times=times)


def delay(endpoint: str, seconds: float, *, applied: bool = True, times: int = 1) -> Fault:
    """Return the true answer after `seconds`; with `applied=False` it is also done only then."""
    return Fault(endpoint=endpoint, kind=Kind.DELAY, seconds=seconds, applied=applied, times=times)


def refusal(endpoint: str, body: object, status: int = 200, *, applied: bool = False, times: int = 1) -> Fault:
    """Return a JSON body as the answer: Slack's {"ok": false, "error": …}, Jira's {"errorMessages": …}."""
    return Fault(
        endpoint=endpoint,
        kind=Kind.ANSWER,
        status=status,
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(body).decode(),
        applied=applied,
        times=times,
    )


def html(endpoint: str, status: int = 200, *, applied: bool = False, times: int = 1) -> Fault:
    """Return a page of HTML where JSON is expected, as proxies and maintenance windows do."""
    page = "<!doctype html><title>Sorry</title><h1>We'll be right back</h1>"
    return Fault(
        endpoint=endpoint,
        kind=Kind.ANSWER,
        status=status,
        headers={"content-type": "text/html; charset=utf-8"},
        body=page,
        applied=applied,
        times=times,
    )


def lag(endpoint: str, seconds: float) -> Fault:
    """Return an index that shows what was written only after `seconds`."""
    return Fault(endpoint=endpoint, kind=Kind.LAG, seconds=seconds, times=0)


class Faults:
    """The faults set for one sandbox; every endpoint answers through `around`. Safe to use from any thread."""

    def __init__(self, *faults: Fault, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._faults: list[Fault] = list(faults)

    def add(self, *faults: Fault) -> None:
        """Set more faults; of those that fit a call, the one set first strikes."""
        with self._lock:
            self._faults.extend(faults)

    def take_back(self, fault: Fault) -> bool:
        """Take out one fault, this very one; returns False if it is gone: it struck as often as it was to."""
        with self._lock:
            before = len(self._faults)
            self._faults = [one for one in self._faults if one is not fault]
            return len(self._faults) < before

    def clear(self) -> None:
        """Take all faults out."""
        with self._lock:
            self._faults.clear()

    def left(self) -> list[Fault]:
        """Return the faults still set, with `times` counted down."""
        with self._lock:
            return list(self._faults)

    def lag(self, endpoint: str) -> timedelta:
        """Return how far searches at this endpoint are behind."""
        fits = (f for f in self.left() if f.kind is Kind.LAG and f.endpoint in (endpoint, "*"))
        return timedelta(seconds=max((f.seconds for f in fits), default=0.0))

    async def around(self, endpoint: str, act: Callable[[], Response | Awaitable[Response]]) -> Response:
        """Return what the client gets: the answer of `act`, unless a fault strikes this call."""
        fault = self._strike(endpoint)
        if fault is None:
            return await _done(act)
        answer = await _done(act) if fault.applied else None
        if fault.kind is Kind.DROP:
            return Closed()
        if fault.kind is Kind.ANSWER:
            return Response(fault.body, fault.status, dict(fault.headers))
        await asyncio.sleep(fault.seconds)
        return answer or await _done(act)

    def _strike(self, endpoint: str) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._faults):
                fits = fault.kind is not Kind.LAG and fault.endpoint in (endpoint, "*")
                if fits and self._dice.random() < fault.probability:
                    self._count_down(index)
                    return fault
        return None

    def _count_down(self, index: int) -> None:
        fault = self._faults[index]
        if fault.times == 1:
            del self._faults[index]
        elif fault.times > 1:
            self._faults[index] = msgspec.structs.replace(fault, times=fault.times - 1)

    def routes(self) -> list[Route]:
        """Return /faults: GET lists, POST sets one or a list of them, DELETE clears."""
        return [Route("/faults", self._http, methods=["GET", "POST", "DELETE"])]

    async def _http(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.clear()
        if request.method == "POST":
            try:
                new = msgspec.json.decode(await request.body(), type=Fault | list[Fault])
            except msgspec.DecodeError as error:
                return JSONResponse({"error": f"not a fault: {error}"}, 400)
            self.add(*(new if isinstance(new, list) else [new]))
        return Response(msgspec.json.encode(self.left()), media_type="application/json")


async def _done(act: Callable[[], Response | Awaitable[Response]]) -> Response:
    answer = act()
    return answer if isinstance(answer, Response) else await answer


class Closed(Response):
    """No answer: the connection ends.

    ASGI has no word for that. Under `droppable` the socket is closed before a byte was sent; elsewhere the answer
    breaks off in its body.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection of this request."""
        close = scope.get("extensions", {}).get(_CLOSE)
        if close is None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
            raise ConnectionAbortedError("closed on purpose by a fault")
        close()
        while (await receive())["type"] != "http.disconnect":
            pass


def droppable(app: ASGIApp) -> ASGIApp:
    """Return the app with connections that faults can close; to be put outermost under uvicorn.

    uvicorn hands `send` as a method of the object that holds the connection's transport.
    """

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope = {**scope, "extensions": {**scope.get("extensions", {}), _CLOSE: transport.close}}
        await app(scope, receive, send)

    return outermost
