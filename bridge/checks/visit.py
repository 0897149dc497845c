"""One look over HTTP: the hops of its way, and the judgement of the last answer."""

from __future__ import annotations

import secrets
from datetime import datetime
from time import perf_counter

import httpx

from bridge import __version__
from bridge.checks.body import Conditions, decoded
from bridge.checks.certificate import Certificate, expiring
from bridge.checks.exchange import BODY_LIMIT, Answer, exchange
from bridge.checks.http_options import HttpOptions
from bridge.checks.line import Place, Secured, connected
from bridge.checks.looking import Notes, Wrong, since
from bridge.checks.route import Route, shown
from bridge.checks.status import expects
from bridge.domain.observation import Fault

AGENT = f"alert-bridge/{__version__}"


class Visit:
    """What is done at each look of one check."""

    def __init__(self, options: HttpOptions, conditions: Conditions) -> None:
        self._options = options
        self._route = Route(options)
        self._conditions = conditions
        ca = options.ca.get_secret_value() if options.ca else ""
        self._secured = Secured(ca, options.verify_tls, options.server_name or "")
        self.target = self._route.target

    async def __call__(self, now: datetime, trace_id: str, notes: Notes) -> str:
        """Return what came in words; raises Wrong with the first thing that is not as expected."""
        certificates: list[Certificate] = []
        request = self._route.first({"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01", "User-Agent": AGENT})
        answer = await self._asked(request, notes, certificates)
        for _ in range(self._options.redirects):
            following = self._route.following(request, answer)
            if following is None:
                break
            request = following
            notes.facts["Redirected to"] = notes.line(shown(request.url))
            answer = await self._asked(request, notes, certificates)
        notes.facts["Total"] = since(notes.began)
        return self._judged(answer, notes, now, certificates)

    async def _asked(self, request: httpx.Request, notes: Notes, certificates: list[Certificate]) -> Answer:
        """Return the answer to one request, over a connection of its own; raises Wrong."""
        began = perf_counter()
        url = request.url
        place = Place(
            url.raw_host.decode(),
            url.port or (443 if url.scheme == "https" else 80),
            self._options.allow_private,
            self._options.ip_version,
        )
        async with connected(place, notes, self._secured if url.scheme == "https" else None) as line:
            if line.certificate:
                certificates.append(line.certificate)
            return await exchange(request, line, notes, began)

    def _judged(self, answer: Answer, notes: Notes, now: datetime, certificates: list[Certificate]) -> str:
        """Return the answer in words; raises Wrong with the first thing that is not as expected."""
        text = decoded(answer.body, answer.headers.get("content-type", ""))
        certificate = min(certificates, key=lambda one: one.ends, default=None)
        self._note(answer, text, certificate, notes, now)
        got = f"HTTP {answer.status} after {notes.facts['Total']}"
        if not expects(self._options.expected_statuses, answer.status):
            raise Wrong(Fault.STATUS, got + self._unfollowed(answer))
        if trouble := self._trouble(answer, text):
            raise Wrong(Fault.BODY, f"{got}; {notes.line(trouble)}")
        expiring(certificate, self._options.expires_within, now)
        return got

    def _trouble(self, answer: Answer, text: str) -> str:
        if not self._conditions:
            return ""
        if answer.encoding:
            return f"the body is compressed ({answer.encoding}), which was not asked for and can't be read"
        trouble = self._conditions.trouble(answer.body, text)
        return f"{trouble} (in its first {BODY_LIMIT // 1024} KiB)" if trouble and answer.cut else trouble

    def _note(self, answer: Answer, text: str, certificate: Certificate | None, notes: Notes, now: datetime) -> None:
        notes.facts["Status"] = f"{answer.status} {answer.reason}".strip()
        if certificate:
            notes.facts["Certificate"] = certificate.until(now)
        if not answer.encoding and (first := notes.first_line(text)):
            notes.facts["Body"] = first

    def _unfollowed(self, answer: Answer) -> str:
        if "location" not in answer.headers or not 300 <= answer.status < 400:
            return ""
        return ", a redirect that is not followed" if not self._options.redirects else ", still a redirect"
