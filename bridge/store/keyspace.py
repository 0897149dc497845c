"""Names of keys, and the scripts that read and write them: each one atomic, one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bridge import primary
from bridge.domain.alert import from_epoch
from bridge.settings.address import group

PREFIX = "{ab}:"
"""All keys of one bridge carry one hash tag, so that a Redis Cluster keeps them in one slot."""

ALONE = ("take_alerts", "look", "beat_look", "beat_save")
"""Scripts that have nothing to do with the due index."""
RUNS = ("commit", "recovery_look", "recovery_begin", "recovery_settle")
"""Scripts that have to do with runs of recovery actions, too."""
_DELIVERIES = ("turn", "sweep", "letter_keep", "letter_drop", "letter_replay")
_TURN = ("settle", "take_due")
_CHECKS = ("checks_enroll", "checks_due", "checks_take", "checks_settle", "checks_retire")
SCRIPTS = (*ALONE, *_DELIVERIES, *_CHECKS, *RUNS, "presence", "swap")


@cache
def script_text(name: str) -> str:
    """Return a script's source, with what it shares with others in front.

    The due index (`wants.lua`), the slots of checks (`slots.lua`), the runs of recovery actions (`runs.lua`), what one
    turn of delivering is made of.
    """
    more = ("slots",) if name in _CHECKS else ("runs",) if name in RUNS else _TURN if name == "turn" else ()
    shared = () if name in ALONE else ("wants", *more)
    folder = files("bridge.store") / "lua"
    return "".join((folder / f"{part}.lua").read_text() for part in (*shared, name))


def options(url: str, timeout: float) -> dict[str, Any]:
    """Return a client's options: it answers or fails within `timeout` seconds.

    Its own retries are off because a command repeated blindly may be done twice; ours are the sweep's.
    """
    tcp = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "max_connections": 256, **tcp}


def connect(url: str, prefix: str = PREFIX, *, timeout: float = 2.0) -> redis.Redis:
    """Return a client without retries, values as bytes; of several servers, of the one that takes writes."""
    own = {"retry": Retry(NoBackoff(), 0), **options(url, timeout)}
    servers = group(url)
    if servers is None:
        return redis.Redis.from_url(url, **own)
    return primary.client(servers, prefix, timeout, own)


class Keyspace:
    """One bridge's keys in one Redis."""

    def __init__(self, client: redis.Redis, prefix: str = PREFIX) -> None:
        self.client = client
        self.prefix = prefix
        self._scripts = {name: client.register_script(script_text(name)) for name in SCRIPTS}

    def key(self, name: str) -> str:
        """Return the full name of a key."""
        return self.prefix + name

    def run(self, script: str, *args: str | bytes | int) -> Any:
        """Run a script; the prefix is its first argument and, for routing in a cluster, its key."""
        return self._scripts[script](keys=[self.prefix], args=[self.prefix, *args])


def pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    """Return the dict of a HGETALL answer as a script returns it: field, value, field, value, …"""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def at(microseconds: int) -> datetime:
    """Return the store's clock reading: the one clock that all workers share."""
    return from_epoch(microseconds / 1_000_000)
