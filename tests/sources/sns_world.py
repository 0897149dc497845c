"""A local SNS on a real port for the tests, with what was asked of it and answers to order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.sandbox.sns import LocalSns, new_key
from tests.sandbox_server import running

NOW = datetime(2026, 3, 14, 9, 26, 53, 589000, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:210987654321:pages"
KEY = new_key()


class World:
    """The local SNS, every address that was asked, and special answers by path."""

    def __init__(self) -> None:
        self.app = Starlette()
        self.asked: list[str] = []
        self.answers: dict[str, ASGIApp] = {}
        self.url = ""
        self.sns: LocalSns

    @property
    def host(self) -> str:
        """Return what `signing_hosts` has to name."""
        return urlsplit(self.url).netloc

    def fresh(self) -> World:
        """Forget what was asked, confirmed and ordered."""
        self.asked.clear()
        self.answers.clear()
        self.sns.confirmed.clear()
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        query = scope["query_string"].decode()
        self.asked.append(scope["path"] + (f"?{query}" if query else ""))
        await self.answers.get(scope["path"], self.app)(scope, receive, send)


@contextmanager
def local_sns() -> Iterator[World]:
    """Run a local SNS."""
    world = World()
    with running(world) as url:
        world.url, world.sns = url, LocalSns(url, KEY)
        world.app.router.routes.extend(world.sns.routes())
        yield world
