"""A bridge of real processes on a store and a broker of the test's choice, and the Slack that it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from bridge import wiring
from bridge.sandbox.app import Sandbox
from bridge.sandbox.slack import TOKEN
from bridge.store.keyspace import Keyspace, connect
from tests.e2e.bridge_processes import Processes
from tests.e2e.conftest import World
from tests.e2e.test_one_problem import other, post, shown
from tests.sandbox_server import running

CONFIG = """
timing: {{lease: 3s, abandoned: 3s}}
sources:
  alertmanager: {{kind: alertmanager, bearer_token: alertmanager-token}}
destinations:
  oncall: {{kind: slack, per_second: 0, token: {token}, channel: C0ONCALL, api_url: "{url}/slack/api/"}}
"""


@dataclass
class Elsewhere(Processes):
    """The processes of a bridge whose store is not its own."""

    store: str = field(default="", repr=False)

    @property
    def redis_url(self) -> str:
        """Address of the store."""
        return self.store

    def keyspace(self) -> Keyspace:
        """Return the bridge's keys, seen with a client of one's own."""
        return Keyspace(connect(self.store))


@dataclass
class Stand:
    """A bridge, and what it told."""

    bridge: Elsewhere
    world: World

    def fire(self, name: str) -> httpx.Response:
        """Send an alert about a problem of that name."""
        return post(self.world, "alertmanager", other(self.world, name))

    def settled(self, *names: str) -> bool:
        """Return whether each of these was told, and nothing of the bridge is under way or waits any more."""
        return all(self.told(name) for name in names) and self.idle()

    def idle(self) -> bool:
        """Return whether the bridge is done with all that it accepted."""
        keys = self.bridge.keyspace()
        with keys.client as client, suppress(RedisError):
            return not client.xlen(keys.key("inbox")) and not client.zcard(keys.key("due:oncall"))
        return False

    def told(self, name: str) -> list[str]:
        """Return all messages about a problem, as they are now."""
        return [text for message in self.world.sandbox.slack.messages() if name in (text := shown(message))]


@contextmanager
def stand(folder: Path, store: str, more: str = "") -> Iterator[Stand]:
    """Start a receiver and a worker on a store; `more` is added to the config."""
    sandbox = Sandbox()
    with running(sandbox.app()) as url:
        config = CONFIG.format(token=TOKEN, url=url) + more
        bridge = Elsewhere(folder, config, {}, store=store)
        try:
            bridge.start_receiver()
            bridge.start_worker()
            settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(folder / "bridge.yaml"), "REDIS_URL": store})
            yield Stand(bridge, World(bridge, sandbox, wiring.sources(settings)))
        finally:
            bridge.stop()
