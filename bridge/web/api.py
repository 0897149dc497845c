"""/api: what `incidents` and `dead-letters` do on the command line, for programs that hold the token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import wraps

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from bridge.pipeline.letters import Replayer, content_of, facts_of
from bridge.pipeline.plain import plain
from bridge.pipeline.story import story
from bridge.store.deliveries import Letter
from bridge.store.incidents import Incidents, Record

MOST = 1000
"""Incidents in one answer."""
AT_FIRST = 100

Endpoint = Callable[[Request], Response]
Answer = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class Api:
    """What the API works with; the endpoints are synchronous and run in threads, as the store's client blocks."""

    token: str = field(repr=False)
    replayer: Replayer
    timezone: tzinfo

    def incidents(self, request: Request) -> Answer:
        """Return open incidents, the newest first; `?all=1`: resolved ones too; `?limit=`: at most so many."""
        limit = _limit(request.query_params.get("limit", str(AT_FIRST)))
        if limit is None:
            return 400, {"error": f"limit has to be a whole number from 1 to {MOST}"}
        closed = request.query_params.get("all", "") in ("1", "true")
        records = [r for r in self._incidents.each() if r.listed and (closed or r.incident.open)]
        records.sort(key=lambda record: record.incident.last_seen, reverse=True)
        return 200, {"total": len(records), "incidents": [_listed(record) for record in records[:limit]]}

    def incident(self, request: Request) -> Answer:
        """Return one incident, with what its destinations were told."""
        record = self._incidents.find(request.path_params["id"])
        return (200, _shown(record)) if record else _unknown("incident")

    def why(self, request: Request) -> Answer:
        """Return every decision about an incident, oldest first, and how it stands."""
        record = self._incidents.find(request.path_params["id"])
        if record is None:
            return _unknown("incident")
        parts = self.replayer.parts
        waiting = parts.deliveries.waiting(record.incident.id, list(parts.sinks))
        told = story(record, waiting, self.timezone)
        return 200, {"id": record.incident.id, "why": [plain(one) for one in told]}

    def letters(self, _: Request) -> Answer:
        """Return the dead letters, oldest first, and how many could not be kept."""
        box = self.replayer.letters
        return 200, {"shed": box.shed, "dead_letters": [plain(facts_of(letter)) for letter in box.all()]}

    def letter_or_drop(self, request: Request) -> Answer:
        """Return one dead letter, or forget it: one route, so that a 405 names both methods."""
        return self.drop(request) if request.method == "DELETE" else self.letter(request)

    def letter(self, request: Request) -> Answer:
        """Return one dead letter with what it is about."""
        letter = self._letter(request)
        if letter is None:
            return _unknown("dead letter")
        record = self._incidents.find(letter.id) if letter.destination else None
        return 200, {name: plain(value) for name, value in {**facts_of(letter), **content_of(letter, record)}.items()}

    def replay(self, request: Request) -> Answer:
        """Try a letter again; 409 says why that can't be begun."""
        return self._done(request, self.replayer.replay)

    def drop(self, request: Request) -> Answer:
        """Forget a letter."""
        return self._done(request, self.replayer.drop)

    def _done(self, request: Request, act: Callable[[Letter, datetime], tuple[bool, str]]) -> Answer:
        letter = self._letter(request)
        if letter is None:
            return _unknown("dead letter")
        done, said = act(letter, datetime.now(UTC))
        return 200 if done else 409, {"name": letter.name, "done": done, "said": said}

    def _letter(self, request: Request) -> Letter | None:
        return self.replayer.letters.find(request.path_params["name"])

    @property
    def _incidents(self) -> Incidents:
        return self.replayer.parts.incidents


def routes(api: Api | None) -> list[BaseRoute]:
    """Return the routes; none without a token, so that /api is not found."""
    if api is None:
        return []

    def guarded(answer: Callable[[Request], Answer]) -> Endpoint:
        return _guarded(api.token, answer)

    inner = Router(
        [
            Route("/incidents", guarded(api.incidents)),
            Route("/incidents/{id}", guarded(api.incident)),
            Route("/incidents/{id}/why", guarded(api.why)),
            Route("/dead-letters", guarded(api.letters)),
            Route("/dead-letters/{name}", guarded(api.letter_or_drop), methods=["GET", "DELETE"]),
            Route("/dead-letters/{name}/replay", guarded(api.replay), methods=["POST"]),
        ],
        redirect_slashes=False,  # another spelling of an address is a 404
    )
    return [Mount("/api", app=inner)]


def _guarded(token: str, answer: Callable[[Request], Answer]) -> Endpoint:
    """Return an endpoint that answers who holds the token, and says when the store does not answer."""

    @wraps(answer)
    def endpoint(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").strip().partition(" ")
        proven = hmac.compare_digest(given.strip().encode(), token.encode())
        if scheme.lower() != "bearer" or not proven:
            error = {"error": "send Authorization: Bearer <receiver.api_token>"}
            return JSONResponse(error, 401, {"www-authenticate": "Bearer"})
        try:
            status, body = answer(request)
        except RedisError as error:
            return JSONResponse({"error": f"the store does not answer: {error}"}, 503, {"retry-after": "5"})
        return JSONResponse(body, status, {"cache-control": "no-store"})

    return endpoint


def _limit(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return number if 1 <= number <= MOST else None


def _unknown(what: str) -> Answer:
    return 404, {"error": f"there is no {what} of this name"}


def _listed(record: Record) -> dict[str, object]:
    """Return an incident as a list shows it."""
    i = record.incident
    names = ("id", "status", "severity", "count", "first_seen", "last_seen", "service", "environment", "title", "url")
    told = {name: r.link.url if r.link else " ".join(r.handle) for name, r in sorted(record.receipts.items())}
    return {name: plain(getattr(i, name)) for name in names} | {"told": told}


def _shown(record: Record) -> dict[str, object]:
    incident = plain(record.incident)
    assert isinstance(incident, dict)  # noqa: S101 - of a struct
    receipts = {name: plain(receipt) for name, receipt in sorted(record.receipts.items())}
    return {"id": record.incident.id, **incident, "receipts": receipts, "rejected_by": sorted(record.rejected)}
