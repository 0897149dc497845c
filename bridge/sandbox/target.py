"""A tiny shop for the bridge's checks to look at: a visitor breaks and mends it on the sandbox's page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

NAME = "demo-shop"
"""Of its check in demo.yaml."""


class Target:
    """Answers 200, or 503 while it is broken; it is well again after a restart."""

    def __init__(self) -> None:
        self.broken = False

    def routes(self) -> list[Route]:
        """Return where it is looked at, and its switch."""
        return [
            Route("/shop/health", self._health),
            Route("/shop/break", self._switch, methods=["POST"]),
            Route("/shop/mend", self._switch, methods=["POST"]),
        ]

    async def _health(self, _: Request) -> Response:
        if self.broken:
            return PlainTextResponse("the shop's database does not answer\n", 503)
        return PlainTextResponse("ok\n")

    async def _switch(self, request: Request) -> Response:
        self.broken = request.url.path.endswith("/break")
        return RedirectResponse("/", 303)
