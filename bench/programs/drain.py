"""The bridge's ingest alone: fold all that lies in the inbox into incidents, in this one process, without Celery.

Prints {"seconds", "cpu"} as JSON. Log lines go where they go in production: to stderr, which is a file here.
"""

from __future__ import annotations

import dataclasses
import time

import msgspec

from bridge import garbage, logs, wiring
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts


class Silence:
    """A bell that nobody hears."""

    def ingest(self) -> None:
        """Ring for the inbox."""

    def deliver(self, destination: str) -> None:
        """Ring for a destination."""


def parts() -> Parts:
    """Return the running parts with a bell that only counts."""
    settings = wiring.load()
    logs.set_up(settings.log.level, settings.log.format)
    return dataclasses.replace(wiring.parts(settings, wiring.celery(settings)), bell=Silence())


def main() -> None:
    """Drain the inbox and say how long it took."""
    bridge = parts()
    len(bridge.inbox)  # connects
    garbage.collect_seldom()
    began, cpu = time.perf_counter(), time.process_time()
    while ingest(bridge):
        pass
    spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(msgspec.json.encode(spent).decode(), flush=True)


if __name__ == "__main__":
    main()
