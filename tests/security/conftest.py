"""A receiver with every kind of source and an API, over real HTTP; what the tests of the web have is here too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
from tests.web.conftest import receive, receiver, sns, sns_server

__all__ = ["receive", "receiver", "sns", "sns_server"]
TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Front:
    """What a stranger sees of a bridge, and what only we see."""

    url: str
    app: Starlette
    sources: dict[str, Source]
    keyspace: Keyspace


@pytest.fixture
def front(tmp_path: Path, store: str, redis_client: redis.Redis, sns: World) -> Iterator[Front]:
    """A running receiver with an empty store."""
    file = tmp_path / "bridge.yaml"
    file.write_text(config(sns.host).replace("max_body: 256KiB", f"max_body: 256KiB, api_token: {TOKEN}"))
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(file), "REDIS_URL": store, "ALERT_BRIDGE_DATA": str(tmp_path)})
    made = serve.receiver(settings)
    app = application(made)
    with running(app, lifespan="on", http=Punctual) as url:
        yield Front(url, app, made.sources, made.keyspace)
