"""`make bench`: run the rows (all, or those named) and write bench/results/latest.md and latest.svg."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

from bench import report
from bench.row import Row
from bench.rows import ROWS
from bench.stage import NotReady, Stage

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run what the command line names; results are written only if nothing was left out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = sys.argv[1:] or list(ROWS)
    if unknown := set(names) - ROWS.keys():
        print(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    began, rows = time.monotonic(), []
    try:
        for name in names:
            rows += _measured(name)
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    text = report.markdown(rows, time.monotonic() - began)
    if sys.argv[1:]:
        print(text)
        return 0
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.svg").write_text(report.svg(rows))
    (RESULTS / "latest.md").write_text(text)
    print(f"written: {RESULTS / 'latest.md'}", file=sys.stderr)
    return 0


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
