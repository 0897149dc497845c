"""SIGTERM: first the load balancer looks away, then the receiver ends."""

from __future__ import annotations

import asyncio
import signal
import threading
from datetime import timedelta
from types import FrameType


class Drain:
    """Whether the receiver is about to end: /readyz says so while requests are still taken."""

    def __init__(self, wait: timedelta) -> None:
        self._wait = wait.total_seconds()
        self.begun = False

    def hear(self) -> None:
        """Put the wait between SIGTERM and what the server does on it; called in the running loop."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        ends = signal.getsignal(signal.SIGTERM)

        def heard(number: int, frame: FrameType | None) -> None:
            if not callable(ends):
                return
            if self.begun or not self._wait:  # said twice: at once
                self.begun = True
                ends(number, frame)
            else:
                self.begun = True
                loop.call_soon_threadsafe(loop.call_later, self._wait, ends, number, frame)

        if callable(ends):
            signal.signal(signal.SIGTERM, heard)
