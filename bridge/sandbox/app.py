"""The sandbox as one application: Slack, Jira, SNS and a page to look at; state is kept in a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from bridge.domain.alert import Status
from bridge.ports import Source
from bridge.sandbox.faults import Faults, droppable
from bridge.sandbox.jira import JiraSandbox
from bridge.sandbox.page import REFRESH, Page
from bridge.sandbox.slack import SlackSandbox
from bridge.sandbox.sns import LocalSns
from bridge.sandbox.target import Target

SAVE_EVERY = 0.5
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""The page has no script; if markup from an alert ever got through, it would run none either."""


class Sandbox:
    """A local Slack workspace, Jira site and SNS, for trying the bridge without accounts, and for the tests."""

    def __init__(
        self,
        *,
        base_url: str = "",
        bridge_url: str = "",
        sources: dict[str, Source] | None = None,
        timezone: tzinfo = UTC,
        state: Path | None = None,
        sns_key: rsa.RSAPrivateKey | None = None,
    ) -> None:
        self.faults = Faults()
        self.slack = SlackSandbox(faults=self.faults)
        self.jira = JiraSandbox(self.faults)
        self.sns = LocalSns(base_url, sns_key)
        self.target = Target()
        self._bridge_url = bridge_url
        self._sources = sources or {}
        self._page = Page(self.slack, self.jira, self.target, list(self._sources), timezone)
        self._state = state
        self._saved = ""

    def app(self) -> ASGIApp:
        """Return the application, with its state loaded from the file if there is one."""
        self._load()
        certificate, confirm = self.sns.routes()
        routes: list[BaseRoute] = [
            certificate,
            Route("/", self._root(confirm)),
            Route("/jira/browse/{key}", self._browse),
            Route("/slack/archives/{channel}/{message}", _to_the_page),
            Route("/samples/{source}", self._sample, methods=["POST"]),
            *self.target.routes(),
            *self.faults.routes(),
            *self.slack.routes(),
            *self.jira.routes(),
        ]
        return droppable(Starlette(routes=routes, lifespan=self._lifespan))

    def send(self, source: str, status: Status) -> httpx.Response:
        """Post a proven sample of a source to the bridge; raises KeyError or httpx.HTTPError."""
        sample = self._sources[source].sample(status, datetime.now(UTC))
        secret = f"/{sample.path_secret}" if sample.path_secret else ""
        url = f"{self._bridge_url}/hooks/{source}{secret}"
        return httpx.post(url, headers=sample.headers, content=sample.body, timeout=5, trust_env=False)

    def _root(self, confirm: Route) -> Callable[[Request], object]:
        async def root(request: Request) -> Response:
            if "Action" in request.query_params:
                answer: Response = await confirm.endpoint(request)
                return answer
            view = request.query_params.get("view", "")
            return _page(self._page.html(refresh=0 if view else REFRESH, view=view))

        return root

    async def _browse(self, request: Request) -> Response:
        view = request.query_params.get("view", "")
        return _page(self._page.html(request.path_params["key"], refresh=0, view=view))

    async def _sample(self, request: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&") if "=" in pair)
        with suppress(httpx.HTTPError, KeyError, ValueError):
            status = Status(form.get("status", "firing"))
            await asyncio.to_thread(self.send, request.path_params["source"], status)
        return RedirectResponse("/", 303)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        keeper = asyncio.create_task(self._keep())
        yield
        keeper.cancel()
        self._save()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            self._save()

    def _load(self) -> None:
        if self._state is not None and self._state.exists():
            state = json.loads(self._state.read_text())
            self.slack.load(state["slack"])
            self.jira.load(state["jira"])

    def _save(self) -> None:
        if self._state is None:
            return
        text = json.dumps({"slack": self.slack.dump(), "jira": self.jira.dump()}, ensure_ascii=False)
        if text != self._saved:
            new = self._state.with_suffix(".new")
            new.write_text(text)
            new.replace(self._state)
            self._saved = text


def _page(html: str) -> Response:
    return HTMLResponse(html, headers={"content-security-policy": _POLICY, "x-content-type-options": "nosniff"})


async def _to_the_page(_: Request) -> Response:
    return RedirectResponse("/")
