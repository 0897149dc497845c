"""A receiver with every kind of source and an API, over real HTTP; what the tests of the web have is here too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import redis
from starlette.applications import Starlette

from bridge import wiring
from bridge.ports import Source
from bridge.store.keyspace import Keyspace
from bridge.web import serve
from bridge.web.app import application
from bridge.web.protocol import Punctual
from tests.sandbox_server import running
from tests.security.corpus import config
from tests.sources.sns_world import World
from tests.web.conftest import receive, receiver, sns, sns_server, unhurried

__all__ = ["receive", "receiver", "sns", "sns_server", "unhurried"]
TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Front:
    """What a stranger sees of a bridge, and what only we see."""

    url: str
    app: Starlette
    sources: dict[str, Source]
    keyspace: Keyspace
    client: httpx.Client


PING_KEY = "ping-key-of-a-backup"
OpenFront = Callable[..., Front]


@pytest.fixture
def open_front(
    tmp_path: Path, store: str, redis_client: redis.Redis, sns: World, unhurried: None
) -> Iterator[OpenFront]:
    """Starts a receiver with an empty store; sources given by name are added."""
    file = tmp_path / "bridge.yaml"
    file.write_text(config(sns.host).replace("max_body: 256KiB", f"max_body: 1MiB, api_token: {TOKEN}"))
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(file), "REDIS_URL": store, "ALERT_BRIDGE_DATA": str(tmp_path)})
    with ExitStack() as stack:

        def start(**sources: Source) -> Front:
            made = serve.receiver(settings)
            made = replace(made, sources=made.sources | sources, ping_keys={PING_KEY: "heartbeat:backup"})
            app = application(made)
            url = stack.enter_context(running(app, lifespan="on", http=Punctual))
            client = stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))
            return Front(url, app, made.sources, made.keyspace, client)

        yield start


@pytest.fixture
def front(open_front: OpenFront) -> Front:
    """A running receiver with an empty store."""
    return open_front()
