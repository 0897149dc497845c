"""The sandbox's shop: broken and mended on its page."""

from __future__ import annotations

import httpx

from bridge.ports import Source
from bridge.sandbox.app import Sandbox
from bridge.settings import Secret
from bridge.sources.sentry import Sentry, SentryOptions
from tests.sandbox_server import running


def test_a_visitor_breaks_the_shop_and_mends_it() -> None:
    sources: dict[str, Source] = {"sentry": Sentry("sentry", SentryOptions(client_secret=Secret("s3cr3t")))}
    with running(Sandbox(sources=sources).app()) as url, httpx.Client(base_url=url, follow_redirects=True) as visitor:
        assert visitor.get("/shop/health").status_code == 200
        assert "break it" in visitor.get("/").text

        page = visitor.post("/shop/break").text
        assert "mend it" in page
        assert visitor.get("/shop/health").status_code == 503

        assert "break it" in visitor.post("/shop/mend").text
        assert visitor.get("/shop/health").text == "ok\n"
        assert visitor.get("/shop/break").status_code == 405
