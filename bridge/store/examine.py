"""What `doctor` looks at in the store: version, durability, eviction, latency, clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, cast

from redis.exceptions import RedisError, ResponseError

from bridge.ports import Finding, Level
from bridge.store.keyspace import Keyspace

OLDEST = (7, 0)
SLOW_MS = 20.0
CLOCK_OFF_S = 2.0
OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL


class Durability(StrEnum):
    """What of the accepted is lost when the store's machine loses power."""

    ALWAYS = "fsync always"
    """Nothing."""
    SECOND = "up to 1 s"
    WHENEVER = "up to 30 s"
    """The kernel writes when it likes (appendfsync no)."""
    NONE = "none"
    """Everything, and with any end of the store (AOF is off)."""
    UNKNOWN = "unknown"
    """CONFIG is not allowed."""


def examine(keyspace: Keyspace) -> Iterator[Finding]:
    """Yield a finding for each check; raises nothing."""
    client = keyspace.client
    try:
        info = client.info()
    except (RedisError, OSError) as error:
        yield Finding(FAIL, f"the store does not answer: {error}", "start it, or correct REDIS_URL", unreachable=True)
        return
    yield _version(info)
    yield from _replication(info)
    yield from _configured(keyspace)
    yield _latency(keyspace)
    yield _clock(keyspace)


def _version(info: dict[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return Finding(FAIL, f"{name} {version}", "use Redis 7.0 or Valkey 7.2, or newer: older ones lack commands")
    return Finding(OK, f"{name} {version}")


def _replication(info: dict[str, Any]) -> Iterator[Finding]:
    """Yield whether this is the server that takes writes, and what a fail-over can cost; alone it costs nothing."""
    if info.get("role") != "master":
        yield Finding(FAIL, "this server is a replica and takes no writes", "name the primary, or all: docs/scaling.md")
    elif replicas := int(info.get("connected_slaves", 0)):
        many = f"{replicas} replica{'s' if replicas > 1 else ''}"
        if "min_slaves_good_slaves" in info:  # which is there when min-replicas-to-write is set
            yield Finding(OK, f"{many}; without one in step the store refuses, and the journal takes over")
        else:
            what = f"{many}; a fail-over can cost what was written last"
            yield Finding(WARN, what, "set min-replicas-to-write 1 and min-replicas-max-lag 1")


def _configured(keyspace: Keyspace) -> Iterator[Finding]:
    try:
        found = keyspace.client.config_get("appendonly", "appendfsync", "maxmemory-policy", "maxmemory")
        config = cast("dict[str, str]", found)
    except ResponseError:
        yield Finding(
            WARN, "durability unknown: CONFIG is not allowed here", "check AOF and noeviction at your provider"
        )
        return
    yield _durability(config)
    policy = config["maxmemory-policy"]
    if policy != "noeviction":
        yield Finding(
            FAIL,
            f"maxmemory-policy is {policy}",
            "set it to noeviction: anything else drops alerts when memory is full",
        )
    else:
        yield Finding(OK, "a full store refuses instead of dropping (noeviction)")
    if config["maxmemory"] == "0":
        yield Finding(WARN, "maxmemory is not set", "set it, so that the store refuses before the machine kills it")


def durability(keyspace: Keyspace) -> Durability:
    """Return what a power loss at the store can cost; raises RedisError when the store does not answer."""
    try:
        return _in_force(cast("dict[str, str]", keyspace.client.config_get("appendonly", "appendfsync")))
    except ResponseError:
        return Durability.UNKNOWN


def _in_force(config: dict[str, str]) -> Durability:
    if config.get("appendonly") != "yes":
        return Durability.NONE if config else Durability.UNKNOWN
    always, second = Durability.ALWAYS, Durability.SECOND
    return {"always": always, "everysec": second}.get(config["appendfsync"], Durability.WHENEVER)


def _durability(config: dict[str, str]) -> Finding:
    cost = _in_force(config)
    if cost is Durability.NONE:
        return Finding(FAIL, "durability: none (AOF is off)", "set appendonly yes, appendfsync always")
    if cost is Durability.ALWAYS:
        return Finding(OK, "durability: what is accepted is on disk (AOF, fsync always)")
    lost = "about 1 s" if cost is Durability.SECOND else "about 30 s"
    return Finding(
        WARN, f"durability: a power loss can cost {lost} (appendfsync {config['appendfsync']})",
        "set appendfsync always if that matters; a crash of the store alone loses nothing",
    )  # fmt: skip


def _latency(keyspace: Keyspace) -> Finding:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        keyspace.client.ping()
        times.append((time.perf_counter() - began) * 1000)
    median = sorted(times)[len(times) // 2]
    if median > SLOW_MS:
        return Finding(WARN, f"the store answers in {median:.1f} ms", "put it nearer to the bridge")
    return Finding(OK, f"the store answers in {median:.1f} ms")


def _clock(keyspace: Keyspace) -> Finding:
    seconds, micros = keyspace.client.time()
    off = abs(time.time() - seconds - micros / 1e6)
    if off > CLOCK_OFF_S:
        return Finding(WARN, f"this machine's clock and the store's differ by {off:.0f} s", "run NTP on both")
    return Finding(OK, "this machine's clock agrees with the store's")
