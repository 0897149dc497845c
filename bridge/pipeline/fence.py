"""The fence: no call leaves for a vendor once the lease that it is made under has ended.

A worker that was paused (a stopped process, a machine that slept) comes back in the middle of whatever it did. The
store's tokens keep it from settling what another took over meanwhile, but not from sending what it had ready. So the
clock is read where nothing can come between: when Python's `http.client`, on which slack-sdk and requests are built,
is about to hand bytes to the socket. https://docs.python.org/3/library/http.client.html (`http.client.send`)
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache

from bridge.ports import RetryAt

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps; Linux only
_until: ContextVar[float] = ContextVar("until", default=math.inf)


def clock() -> float:
    """Return seconds on a clock that neither jumps nor stops."""
    return time.clock_gettime(_CLOCK)


@contextmanager
def fenced(until: float) -> Iterator[None]:
    """Let no HTTP request of this thread begin, or go on, after a reading of `clock`: it raises RetryAt.

    A request whose body was not sent whole is never acted on, so what is stopped here was certainly not applied.
    """
    _watch()
    token = _until.set(until)
    try:
        yield
    finally:
        _until.reset(token)


@cache
def _watch() -> None:
    sys.addaudithook(_look)


def _look(event: str, _: object) -> None:
    if event == "http.client.send" and clock() > _until.get():
        raise RetryAt("the lease ended before the call: this worker was paused", after=timedelta(seconds=1))
