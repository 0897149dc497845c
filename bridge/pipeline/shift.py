"""Who serves a destination in this process: one task at a time, with a few threads that are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock, get_ident


class Shift:
    """One destination's, or the inbox's: a bell that rings while it is served makes whoever serves it look once more.

    Without it a storm of bells would have every thread of the worker call one vendor, each with threads of its own.
    """

    def __init__(self, destination: str, at_once: int) -> None:
        self.pool = ThreadPoolExecutor(at_once, thread_name_prefix=f"deliver-{destination}")
        self._lock = Lock()
        self._whose = 0
        self._rung = False

    def begin(self) -> bool:
        """Return whether the caller is to serve; if not, somebody else does and looks once more."""
        with self._lock:
            self._rung = self._whose != 0
            self._whose = self._whose or get_ident()
            return not self._rung

    def ring(self) -> bool:
        """Return whether somebody serves, who then looks once more."""
        with self._lock:
            self._rung = self._rung or self._whose != 0
            return self._whose != 0

    def rung(self) -> bool:
        """Return whether a bell rang since it began or this was asked."""
        with self._lock:
            rung, self._rung = self._rung, False
            return rung

    def over(self) -> bool:
        """Return True, and leave it to the next one, unless a bell rang since it began or this was asked."""
        with self._lock:
            rung, self._rung = self._rung, False
            self._whose = self._whose if rung else 0
            return not rung

    def end(self) -> None:
        """Leave it to the next one, if that is not done."""
        with self._lock:
            if self._whose == get_ident():
                self._whose = 0


class Shifts:
    """The shifts of all destinations, each made when it is first rung for."""

    def __init__(self) -> None:
        self._of: dict[str, Shift] = {}
        self._lock = Lock()

    def of(self, destination: str, at_once: int) -> Shift:
        """Return a destination's."""
        with self._lock:
            if destination not in self._of:
                self._of[destination] = Shift(destination, at_once)
            return self._of[destination]
