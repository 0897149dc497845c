"""How long until it is there, and what it holds when it idles."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.ports import free_port
from bench.row import Row, Series, limit_row
from bench.stage import CORES, RUNS, Stage, listens

PYTHON = f"{Path(sys.executable).name} -c pass"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the command line's and the whole bridge's time to be ready."""
    command = str(Path(sys.executable).with_name("alert-bridge"))
    bare, words = Series(), Series()
    for _ in range(RUNS):
        bare.add(_seconds([sys.executable, "-c", "pass"]))
        words.add(_seconds([command, "--help"]))
    yield limit_row("alert-bridge --help", "s", words, bare, PYTHON, 0.3, "< 0.3 s")
    up = Series([_up(stage, command) for _ in range(RUNS)])
    yield limit_row("alert-bridge up, until ready", "s", up, bare, PYTHON, 3, "< 3 s")


def _seconds(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - began


def _up(stage: Stage, command: str) -> float:
    """Return the seconds until store, receiver and worker are ready; the store is new each time."""
    with stage.another() as own:
        port, began = free_port(), time.perf_counter()
        program = own.start("up", ["env", "-u", "REDIS_URL", command, "up", "--port", str(port)], set(CORES))
        own.until(lambda: listens(port) and "worker_ready" in program.log.read_text(), 30)
        return time.perf_counter() - began
