"""The report: a Markdown table, and a picture of the ratios."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.row import Row, Series
from bench.stage import CORES, FSYNC, OTHERS, RUNS, TESTED
from bridge.store import embedded

COMMAND = "make bench"
PACKAGES = ("uvicorn", "uvloop", "httptools", "msgspec", "redis", "hiredis", "celery", "starlette", "google-re2")


def markdown(rows: Sequence[Row], seconds: float) -> str:
    """Return the whole report."""
    heads = (
        "| what | ours | compared with | ratio | aim | CPU µs/alert, ours · theirs | ratio by CPU |\n"
        + "|---" * 7
        + "|"
    )
    names = list(dict.fromkeys(row.floor_name for row in rows))
    notes = [f"- {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(
        [
            "# How fast the bridge is",
            "",
            f"`{COMMAND}`, {datetime.now(UTC):%Y-%m-%d}; {seconds:.0f} s for what was measured last.",
            "Median of the runs (smallest–largest). A ratio compares with another program, named by the number behind,",
            "run in turn with the bridge: a bare one (a floor: it proves, finds and promises nothing), or what",
            "a team would run instead. Above 1 the bridge is better, also where less is better.",
            "",
            heads,
            *(line(row, names.index(row.floor_name) + 1) for row in rows),
            "",
            "![ratios](latest.svg)",
            "",
            "Compared with:",
            "",
            *(f"{number}. {name}" for number, name in enumerate(names, 1)),
            "",
            *([*notes, ""] if notes else []),
            "Rows that miss their aim, why, and what was tried: [docs/performance.md](../../docs/performance.md).",
            "Flame graphs, by `python -m bench.profile`: a [receiver](receiver.svg), a [worker](worker.svg).",
            "",
            "## Machine",
            "",
            *machine(),
            "",
        ]
    )


def line(row: Row, mark: int | None = None) -> str:
    """Return a row of the table; the mark is the number of what it is compared with."""
    verdict = {True: " ✓", False: " ✗", None: ""}[row.met]
    cpu = " · ".join(f"{median(s.cpu_us):.1f}" for s in (row.ours, row.floor) if s.cpu_us)
    by_cpu = "—" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
    ours, floor = (f"{spread(series)} {row.unit}".rstrip() for series in (row.ours, row.floor))
    floor += f" [{mark}]" if mark else ""
    return f"| {row.what} | {ours} | {floor} | {times(row.ratio)} | {row.aim}{verdict} | {cpu or '—'} | {by_cpu} |"


def spread(series: Series) -> str:
    """Return the median, with the smallest and the largest run behind it."""
    if len(series.values) == 1:
        return number(series.median)
    return f"{number(series.median)} ({number(min(series.values))}–{number(max(series.values))})"


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    """Return a ratio; far from 1 its digits mean nothing."""
    return "> 100" if ratio > 100 else "< 0.01" if ratio < 0.01 else f"{ratio:.2f}"


def machine() -> list[str]:
    """Return what it ran on, a line each."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((text.partition(":")[2].strip() for text in cpuinfo if text.startswith("model name")), "unknown")
    store = subprocess.run([embedded.find_server(), "--version"], capture_output=True, text=True, check=True).stdout
    return [
        f"- {len(CORES)} cores, {model}; {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"- measured process on core {_cores(TESTED)}, load and store on {_cores(OTHERS)}; {RUNS} runs; loopback only",
        f"- store: {' '.join(store.split()[:3])}, AOF on, appendfsync {FSYNC}, Unix socket, on {_filesystem()}",
        f"- load average when it ended: {os.getloadavg()[0]:.1f}",
        "- " + ", ".join(f"{name} {version(name)}" for name in PACKAGES if _there(name)),
    ]


def _filesystem() -> str:
    """Return the kind of file system of the temporary folder: its speed is that of every synced write."""
    asked = ["stat", "--file-system", "--format=%T", tempfile.gettempdir()]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _cores(cores: set[int]) -> str:
    return ", ".join(map(str, sorted(cores)))


def _there(name: str) -> bool:
    try:
        return bool(version(name))
    except ImportError:
        return False


WIDTH, BAR, LABEL = 980, 18, 560
CUT = 4.0
_COLOURS = {True: "#2e7d32", False: "#c62828", None: "#546e7a"}


def svg(rows: Sequence[Row]) -> str:
    """Return the ratios as bars; the line at 1 is what they are compared with, a bar beyond 4 is cut."""
    most = min(CUT, max([1.0, *(row.ratio for row in rows)]))
    scale = (WIDTH - LABEL - 60) / most
    height = len(rows) * (BAR + 6) + 40
    bars = "\n".join(_bar(row, 30 + index * (BAR + 6), scale) for index, row in enumerate(rows))
    one = LABEL + scale
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n{bars}\n'
        f'<line x1="{one:.1f}" y1="22" x2="{one:.1f}" y2="{height - 10}" stroke="#000000" stroke-dasharray="4 3"/>\n'
        f'<text x="{one:.1f}" y="15" text-anchor="middle">1: as good</text>\n</svg>\n'
    )


def _bar(row: Row, top: int, scale: float) -> str:
    width, middle = min(row.ratio, CUT) * scale, top + BAR * 0.7
    return (
        f'<text x="{LABEL - 8}" y="{middle:.1f}" text-anchor="end">{escape(row.what)}</text>'
        f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{_COLOURS[row.met]}"/>'
        f'<text x="{LABEL + width + 6:.1f}" y="{middle:.1f}">{escape(times(row.ratio))}</text>'
    )
