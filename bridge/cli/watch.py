"""The supervisor's hold on its children: starts each in a group of its own that the guard will end if need be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from bridge.cli import guard

_GUARD = (sys.executable, "-I", "-S", str(Path(guard.__file__)))


class Watch:
    """The guard's pipe: children announce themselves on it, and its closing ends those still announced."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._groups: dict[int, None] = {}
        self._open()

    def _open(self) -> None:
        reads, self._pipe = os.pipe()
        argv = [*_GUARD, "watch", str(reads), str(self._grace)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[reads], start_new_session=True
        )
        os.close(reads)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program in its own session, with its output and errors on one pipe that does not block.

        A program that can't be started ends with `guard.CANNOT_START` after saying why.
        """
        process = subprocess.Popen(
            [*_GUARD, "start", str(self._pipe), *argv],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=[self._pipe, *pass_fds],
            start_new_session=True,
        )
        self._groups[process.pid] = None
        return process

    def forget(self, group: int) -> None:
        """Say that nothing of a group is left, so that its number may be used by others."""
        self._groups.pop(group, None)
        self._tell(f"-{group}")

    def renew(self) -> None:
        """Start the guard again if somebody killed it."""
        if self._process.poll() is not None:
            os.close(self._pipe)
            self._open()
            for group in self._groups:
                self._tell(f"+{group}")

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):  # `renew` tells a new guard
            os.write(self._pipe, f"{line}\n".encode())

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self._pipe)
        self._process.wait()
