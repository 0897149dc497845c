"""The machine that the tests run on: how slow it is just now."""

from __future__ import annotations

from time import thread_time

USUAL = 0.01
"""Seconds of computing that the work below takes on the machine for which limits in tests are written."""


def slowness() -> float:
    """Return how many times longer than there the same computing takes here and now; at least 1.

    Limits of computing time are multiplied by it. What others do beside is not computing time, but costs some.
    """
    return max(1.0, min(_work() for _ in range(3)) / USUAL)


def _work() -> float:
    began = thread_time()
    text = "".join(str(number) for number in range(40_000))
    sum(map(ord, text))
    sorted(text[:50_000])
    return thread_time() - began
