"""A local Jira site that speaks the real REST API (version 2, Cloud or Data Center), for trials and tests."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from bridge.sandbox.faults import Faults
from bridge.sandbox.jira.calls import TABLE, Act, Call
from bridge.sandbox.jira.rules import RefusedByJira
from bridge.sandbox.jira.state import Held, Issue, JiraState, utc_now

USER = "bot@example.com"
TOKEN = "sandbox-jira-token"  # noqa: S105 - opens nothing but the sandbox


class JiraSandbox:
    """A Jira site below /jira/. `state` holds the issues and what can be configured; `calls` names what was asked.

    Endpoints that faults can name: serverInfo myself mypermissions project createmeta priority issueLinkType
    createIssue getIssue editIssue deleteIssue getComments addComment getTransitions transition getRemoteLinks
    remotelink issueLink search. A `lag` on search is an index that is behind.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        flavour: Literal["cloud", "datacenter"] = "cloud",
        accounts: dict[str, str] | None = None,
        projects: tuple[str, ...] = ("OPS", "ARCHIVE"),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.faults = faults or Faults()
        self.accounts = accounts or {USER: TOKEN}
        self.state = JiraState(projects, clock, cloud=flavour == "cloud")
        self.captcha = False
        self.calls: list[str] = []

    @property
    def issues(self) -> list[Issue]:
        """All issues, oldest first."""
        return self.state.held.issues

    def dump(self) -> dict[str, Any]:
        """Return the issues as JSON-able data."""
        with self.state.lock:
            data: dict[str, Any] = msgspec.to_builtins(self.state.held)
        return data

    def load(self, data: dict[str, Any]) -> None:
        """Take over what `dump` returned."""
        with self.state.lock:
            self.state.held = msgspec.convert(data, Held)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be mounted at the root: everything is below /jira/rest/api/2/."""
        routes = [Route(f"/{path}", self._endpoint(name, act), methods=[method]) for method, path, name, act in TABLE]
        return [Mount(f"/jira/rest/api/{version}", routes=routes) for version in ("2", "latest")]

    def _endpoint(self, name: str, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            self.calls.append(name)
            return await self.faults.around(name, lambda: self._answer(name, act, request, body))

        return endpoint

    def _answer(self, name: str, act: Act, request: Request, body: bytes) -> Response:
        try:
            account = self._account(request.headers.get("authorization", ""))
            if not account and name != "serverInfo":
                return self._unauthorised()
            with self.state.lock:
                lag = self.faults.lag(name)
                return act(Call(self.state, request, body, account, lag))
        except RefusedByJira as refusal:
            words = {"errorMessages": refusal.general, "errors": refusal.fields}
            return JSONResponse(words, refusal.status)

    def _unauthorised(self) -> Response:
        if self.captcha:
            reason = {
                "X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=http://jira.example.com/login.jsp"
            }
            return Response("", 403, reason)
        text = "Client must be authenticated to access this resource."
        return JSONResponse({"message": text, "status-code": 401}, 401, {"WWW-Authenticate": "OAuth"})

    def _account(self, authorization: str) -> str:
        """Return who a header proves: Basic on both products, a bearer token on Data Center only."""
        scheme, _, value = authorization.partition(" ")
        if self.captcha:
            return ""
        if scheme == "Bearer" and not self.state.cloud:
            return next((user for user, token in self.accounts.items() if token == value), "")
        try:
            user, _, token = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return user if scheme == "Basic" and self.accounts.get(user) == token else ""
