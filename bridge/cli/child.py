"""A process to keep alive, and what became of it so far."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter


@dataclass(frozen=True)
class Child:
    """A process to keep alive."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment."""
    ready: Callable[[], bool] | None = None
    """Asked some 20 times a second until it says True; answers within a second and raises nothing. None: at once."""
    after: tuple[str, ...] = ()
    """Names of the children that must be ready before this one starts, and that end after it."""
    pass_fds: tuple[int, ...] = ()
    """File descriptors it inherits."""
    hush: re.Pattern[str] | None = None
    """Lines in which this is found are not passed on: known ones, which tell nobody anything."""


class Backoff:
    """How long to wait before the next start: 0.5 s, doubled each time up to 10 s, anew after 30 s of life."""

    FIRST, LONGEST, HEALTHY = 0.5, 10.0, 30.0

    def __init__(self) -> None:
        self._next = self.FIRST

    def after(self, lived: float) -> float:
        """Return the wait after a life of so many seconds."""
        wait = self.FIRST if lived >= self.HEALTHY else self._next
        self._next = min(wait * 2, self.LONGEST)
        return wait


class Run:
    """One life of a child, from its start to its end; times are of the monotonic clock."""

    def __init__(self, process: subprocess.Popen[bytes], started: float) -> None:
        self._process = process
        self._out = process.stdout
        self.group = process.pid
        self.output = -1 if self._out is None else self._out.fileno()
        self.started = started
        self.ready = False
        self.slow = False
        """It was said that it takes long to be ready."""
        self.silent = False
        """It closed its output, as the dying do."""
        self.told: float | None = None
        """When it was told to end."""
        self.killed = False

    def ended(self) -> int | None:
        """Return the exit code, negative for a signal; None while it lives."""
        return self._process.poll()

    def read(self, size: int) -> bytes | None:
        """Return what it wrote, empty when it closed its output, None when there is nothing for now."""
        try:
            return os.read(self.output, size)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Wait for its end and give back the pipe."""
        self._process.wait()
        if self._out is not None:
            self._out.close()


class Life:
    """A child through all its runs."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.backoff = Backoff()
        self.run: Run | None = None
        self.due = 0.0
        """When to start it (again)."""

    @property
    def ready(self) -> bool:
        """True when those that come after it may start."""
        return self.run is not None and self.run.ready

    @property
    def settled(self) -> bool:
        """True when nothing is about to happen that no output will tell of."""
        return self.run is not None and self.run.ready and not self.run.silent


def in_order(children: Sequence[Child]) -> list[Child]:
    """Return the children so that each comes after those it needs.

    Raises ValueError for names that are not unique, unknown or in a circle.
    """
    named = {child.name: child for child in children}
    unknown = {name for child in children for name in child.after} - named.keys()
    if len(named) < len(children) or unknown:
        raise ValueError(f"children need names of their own, and to come after known ones; unknown: {sorted(unknown)}")
    try:
        order = TopologicalSorter({child.name: child.after for child in children}).static_order()
        return [named[name] for name in order]
    except CycleError as error:
        raise ValueError(f"children come after one another in a circle: {error.args[1]}") from error


def ending(code: int) -> str:
    """Return an exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
