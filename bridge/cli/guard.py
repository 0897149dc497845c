"""No process outlives the supervisor, even one killed with SIGKILL: two small programs, run without the bridge.

`guard.py start FD PROGRAM …` announces its own process group on the pipe FD, then becomes the program.
`guard.py watch FD GRACE` reads the announcements; when the pipe closes, because the supervisor is gone however it
went, it ends every group that is still announced. Only the standard library: both start in some 15 ms.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PAUSE = 0.05
CANNOT_START = 127
"""Exit code of a program that could not be started, as shells have it."""


def send(group: int, number: int) -> bool:
    """Send a signal (0: none, just look) to a process group; False when nothing of it is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group in which only zombies are left
        return False
    return True


def lives(group: int) -> bool:
    """Return True while a process of the group runs; a dead one that nobody waited for yet does not count.

    Orphans are waited for by the init process: late in some containers, never in others (proc(5), stat).
    """
    if not send(group, 0):
        return False
    processes = _processes()
    return not processes or any(found == group and state not in "ZX" for state, found in processes)


def _processes() -> list[tuple[str, int]]:
    """Return the state and the group of every process of this machine; nothing where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _parent, group, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            found.append((state, int(group)))
    return found


def start(pipe: int, argv: list[str]) -> None:
    """Announce the own process group and become the program."""
    with suppress(BrokenPipeError):  # the watch was killed: the supervisor tells the next one of this group
        os.write(pipe, f"+{os.getpid()}\n".encode())
    os.close(pipe)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is meant
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_START)


def watch(pipe: int, grace: float) -> None:
    """Note "+group" and "-group" until the pipe closes, then end the groups that are left, the youngest first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, None] = {}
    with os.fdopen(pipe) as lines:
        for line in lines:
            groups.pop(int(line[1:]), None)
            if line[0] == "+":
                groups[int(line[1:])] = None
    for group in reversed(groups):
        end(group, grace)


def end(group: int, grace: float) -> None:
    """SIGTERM to a group, then SIGKILL to what is left of it after the grace (seconds)."""
    send(group, signal.SIGTERM)
    until = time.monotonic() + grace
    while lives(group):
        if time.monotonic() >= until:
            send(group, signal.SIGKILL)
            return
        time.sleep(PAUSE)


if __name__ == "__main__":
    if sys.argv[1] == "start":
        start(int(sys.argv[2]), sys.argv[3:])
    else:
        watch(int(sys.argv[2]), float(sys.argv[3]))
