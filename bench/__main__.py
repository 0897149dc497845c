"""`make bench`: run all rows and write bench/results/latest.md, latest.svg and latest.json.

`python -m bench NAME…` runs some and prints them; with `--into` they take the place of those in the last report.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench import report
from bench.row import Row
from bench.rows import ROWS
from bench.stage import NotReady, Stage

RESULTS = Path(__file__).parent / "results"
INTO = "--into"
Groups = dict[str, list[Row]]


def main() -> int:
    """Run what the command line names; results are written only if nothing was left out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = [word for word in sys.argv[1:] if word != INTO] or list(ROWS)
    if unknown := set(names) - ROWS.keys():
        print(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        groups = {name: _measured(name) for name in names}
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    seconds = time.monotonic() - began
    if INTO in sys.argv:
        groups = {**msgspec.json.decode((RESULTS / "latest.json").read_bytes(), type=Groups), **groups}
    elif sys.argv[1:]:
        print(report.markdown([row for name in groups for row in groups[name]], seconds))
        return 0
    _write({name: groups[name] for name in ROWS if name in groups}, seconds)
    return 0


def _write(groups: Groups, seconds: float) -> None:
    rows = [row for name in groups for row in groups[name]]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_bytes(msgspec.json.format(msgspec.json.encode(groups), indent=1))
    (RESULTS / "latest.svg").write_text(report.svg(rows))
    (RESULTS / "latest.md").write_text(report.markdown(rows, seconds))
    print(f"written: {RESULTS / 'latest.md'}", file=sys.stderr)


def _measured(name: str) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        stage = Stage(Path(folder))
        try:
            for row in ROWS[name](stage):
                print(report.line(row), file=sys.stderr, flush=True)
                rows.append(row)
        except (NotReady, AssertionError) as error:  # the others are worth having all the same
            print(f"{name} broke off: {error}", file=sys.stderr, flush=True)
        finally:
            stage.close()
    return rows


if __name__ == "__main__":
    sys.exit(main())
