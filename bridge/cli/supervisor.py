"""Runs the bridge's processes in the foreground: starts them in order, again when they die, and ends them all."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from bridge.cli import guard
from bridge.cli.child import Child, Life, Run, ending, in_order
from bridge.cli.prefix import Prefixed
from bridge.cli.watch import Watch

GRACE = 10.0
"""Seconds a process has between SIGTERM and SIGKILL."""
SLOW = 15.0
"""Seconds after which a child that is not ready yet is spoken of."""
OWN_NAME = "up"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK, _CALM, _CHUNK = 0.05, 0.2, 65536


class Supervisor:
    """Keeps children running until it is told to stop; nothing it started outlives it.

    `on_ready` is called once, in a thread of its own, when all children are ready for the first time. A process
    that leaves its process group (a daemon) is out of reach. Raises ValueError for names that are not unique,
    unknown or in a circle.
    """

    def __init__(
        self,
        children: Sequence[Child],
        out: TextIO | None = None,
        *,
        grace: float = GRACE,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self._lives = {child.name: Life(child) for child in in_order(children)}
        hush = {child.name: child.hush for child in children if child.hush}
        self._out = Prefixed(out or sys.stderr, [OWN_NAME, *self._lives], hush)
        self._grace = grace
        self._on_ready = on_ready
        self._heard: signal.Signals | None = None
        self._stops = 0
        self._kills = 0

    def run(self) -> int:
        """Run until stopped by SIGINT, SIGTERM, SIGHUP or `stop`; return 0, or 1 when something had to be killed.

        Signals are heard when called in the main thread. To be called once.
        """
        with Watch(self._grace) as self._watch, selectors.DefaultSelector() as self._selector, self._signals():
            try:
                while not self._stops or self._running():
                    self._turn()
            finally:
                self._kill_rest()
        return int(self._kills > 0)

    def stop(self) -> None:
        """Tell every child to end; said again, kill what is left at once. From any thread."""
        self._stops += 1

    def _turn(self) -> None:
        calm = not self._stops and all(life.settled for life in self._lives.values())
        for key, _ in self._selector.select(_CALM if calm else _TICK):
            self._pass_on(*key.data)
        self._watch.renew()
        if self._stops:
            self._end()
        else:
            self._restart_dead()
            self._start_due()
            self._look_ready()

    def _running(self) -> list[tuple[Life, Run]]:
        return [(life, life.run) for life in self._lives.values() if life.run]

    # --- starting ------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for life in self._lives.values():
            due = life.run is None and now >= life.due
            if due and all(self._lives[name].ready for name in life.child.after):
                self._start(life, now)

    def _start(self, life: Life, now: float) -> None:
        child = life.child
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **child.env}
        try:
            run = Run(self._watch.start(child.argv, env, child.pass_fds), now)
        except OSError as error:  # no more processes or memory for now
            self._again(life, f"could not be started ({error.strerror})", lived=0)
            return
        life.run = run
        os.set_blocking(run.output, False)
        self._selector.register(run.output, selectors.EVENT_READ, (life, run))

    def _look_ready(self) -> None:
        for life, run in self._running():
            if not run.ready:
                run.ready = life.child.ready is None or life.child.ready()
                self._say_readiness(life, run)
        if self._on_ready and all(life.ready for life in self._lives.values()):
            threading.Thread(target=self._on_ready, name="on-ready", daemon=True).start()
            self._on_ready = None

    def _say_readiness(self, life: Life, run: Run) -> None:
        age = time.monotonic() - run.started
        if run.ready:
            self._out.say(life.child.name, f"ready after {age:.1f} s (pid {run.group})")
        elif age > SLOW and not run.slow:
            run.slow = True
            self._out.say(life.child.name, f"not ready after {SLOW:g} s; still waiting for it")

    # --- passing on, starting again ------------------------------------------------------------------------

    def _pass_on(self, life: Life, run: Run) -> bool:
        """Pass on what a child wrote; False when there is nothing more for now."""
        if run.silent or (data := run.read(_CHUNK)) is None:
            return False
        self._out.feed(life.child.name, data)
        if not data:
            run.silent = True
            self._selector.unregister(run.output)
        return not run.silent

    def _restart_dead(self) -> None:
        for life, run in self._running():
            if (code := run.ended()) is not None:
                guard.send(run.group, signal.SIGKILL)  # what it left behind would be in the next one's way
                self._bury(life, run)
                self._again(life, ending(code), lived=time.monotonic() - run.started)

    def _again(self, life: Life, what: str, lived: float) -> None:
        wait = life.backoff.after(lived)
        life.due = time.monotonic() + wait
        self._out.say(life.child.name, f"{what} after {lived:.1f} s; starting again in {wait:g} s")

    def _bury(self, life: Life, run: Run) -> None:
        """Pass on a dead child's last words and forget it."""
        while self._pass_on(life, run):
            pass
        self._out.end(life.child.name)
        if not run.silent:
            self._selector.unregister(run.output)
        run.close()
        self._watch.forget(run.group)
        life.run = None

    # --- ending --------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Tell each child to end once those that need it are gone; kill what does not within the grace."""
        self._say_heard()
        needed = {name for life, _ in self._running() for name in life.child.after}
        for life, run in self._running():
            if run.ended() is not None and (run.killed or not guard.lives(run.group)):
                self._bury(life, run)
            elif not run.killed:
                self._press(life, run, needed)

    def _press(self, life: Life, run: Run, needed: set[str]) -> None:
        now = time.monotonic()
        if self._stops > 1:
            self._kill(life, run, "killed")
        elif run.told is not None and now - run.told >= self._grace:
            self._kill(life, run, f"did not end within {self._grace:g} s; killed")
        elif run.told is None and life.child.name not in needed:
            run.told = now
            guard.send(run.group, signal.SIGTERM)

    def _kill(self, life: Life, run: Run, words: str) -> None:
        run.killed = True
        self._kills += 1
        guard.send(run.group, signal.SIGKILL)
        self._out.say(life.child.name, words)

    def _kill_rest(self) -> None:
        """Leave nothing behind when the supervisor itself fails."""
        for life, run in self._running():
            guard.send(run.group, signal.SIGKILL)
            self._bury(life, run)

    # --- signals -------------------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        """Stop; only a second Ctrl-C kills, for a closing terminal or an init may send several of the others."""
        if not self._stops or number == signal.SIGINT:
            self._heard = signal.Signals(number)
            self.stop()

    def _say_heard(self) -> None:
        if self._heard and self._stops == 1:
            self._out.say(OWN_NAME, f"{self._heard.name}: ending; Ctrl-C (again) kills at once")
        self._heard = None
