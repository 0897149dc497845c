"""Checks for tests: targets that obey, and rounds that run beside the test."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import redis

from bridge.domain.observation import Fault, Observation
from bridge.enrich.scrub import ScrubOptions
from bridge.pipeline.check_alert import Scrubbers
from bridge.pipeline.checkups import Watched
from bridge.pipeline.rounds import Rounds
from bridge.settings import Options
from bridge.settings.checks import PlanOptions
from bridge.store.checks import Checks
from bridge.store.keyspace import Keyspace
from tests.pipeline.desk import Quiet

SECOND = timedelta(seconds=1)
SCRUBBERS = Scrubbers.of(ScrubOptions())


class Obedient:
    """A check that sees what it is told to see."""

    Options = Options
    target = "https://shop.example.com/health"

    def __init__(self, fault: Fault | None = None, *, takes: float = 0.0, raises: Exception | None = None) -> None:
        self.fault, self.takes, self.raises = fault, takes, raises
        self.got = "HTTP 503 after 12 ms"
        self.facts: dict[str, str] = {}
        self.looks: list[datetime] = []
        self.ended = 0

    async def look(self, now: datetime, trace_id: str) -> Observation:
        """Take as long, and see or raise what was told."""
        self.looks.append(now)
        await asyncio.sleep(self.takes)
        self.ended += 1
        if self.raises:
            raise self.raises
        return Observation(
            at=now,
            took=timedelta(milliseconds=12),
            fault=self.fault,
            expected="status 200",
            got=self.got if self.fault else "HTTP 200 after 12 ms",
            facts=self.facts,
            trace_id=trace_id,
        )


def watched(name: str, check: Obedient, **plan: object) -> Watched:
    """Return a check with a plan; by default every second, and the first failing run counts."""
    given = {"every": "1s", "timeout": "1s", "fail_after": 1} | plan
    return Watched(name=name, check=check, plan=PlanOptions.model_validate(given))


class Rung(Quiet):
    """A bell that counts."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()

    def ingest(self) -> None:
        """Count it."""
        self.heard["ingest"] += 1


def rounds(client: redis.Redis, *checks: Watched, bell: Rung | None = None) -> Rounds:
    """Return a worker's rounds over these checks."""
    return Rounds(Checks(Keyspace(client)), checks, SCRUBBERS, bell or Rung())


@contextmanager
def going(*workers: Rounds) -> Iterator[list[threading.Thread]]:
    """Run workers' rounds in threads; stop them afterwards."""
    threads = [threading.Thread(target=one.run) for one in workers]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for one in workers:
            one.stop()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
