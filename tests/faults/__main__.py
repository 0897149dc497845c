"""The long run: `python -m tests.faults --faults 1000 --alerts 20000 --seed 1`; with `--each 3` every fault alone."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.run import run, said, table
from tests.faults.storm import WEIGHTS, mixed

ALERTS, ALONE_GAP = 200, 2.0
"""Of a run with one fault alone: alerts, and seconds between two of it."""


def main() -> int:
    """Run, print the table and what was wrong; 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--alerts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--gap", type=float, default=0.6, help="seconds between two faults, on the average")
    parser.add_argument("--each", type=int, metavar="TIMES", help="every fault alone, so many times")
    parser.add_argument("--folder", type=Path, help="where the processes write; kept")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(130))  # or the processes would stay behind
    # ruff: noqa: T201 - it talks to whoever started it
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="alert-bridge-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    if given.each:
        return alone(folder, given.seed, given.each)
    faults = mixed(given.seed, given.faults * 8 // 5)  # a third of them find nothing to strike
    result = run(folder, given.seed, faults, given.alerts, given.gap, enough=given.faults)
    print(table(result))
    print(said(result), file=sys.stderr)
    print(f"\n{'held' if result.held else 'BROKEN'}; the processes wrote to {folder}", file=sys.stderr)
    return 0 if result.held else 1


def alone(folder: Path, seed: int, times: int) -> int:
    """Run once for each fault, with no other; a line for each as it ends."""
    print("| fault, alone | times | alerts | messages | issues | |\n|---|---:|---:|---:|---:|---|", flush=True)
    broken = 0
    for number, name in enumerate(WEIGHTS):
        own = folder / str(number)
        own.mkdir(exist_ok=True)
        result = run(own, seed, [name] * times, ALERTS, ALONE_GAP)
        struck, outside = result.storm.struck[name], result.outside
        cells = (name, struck, result.ledger.alerts, outside["messages"], outside["issues"])
        print(f"| {' | '.join(map(str, cells))} | {'held' if result.held else 'BROKEN'} |", flush=True)
        print(said(result), end="", file=sys.stderr, flush=True)
        broken += not result.held
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
