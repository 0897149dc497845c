"""kill -9 of receiver and worker when a third of a storm was told; both are started again, and nobody sends again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from bench import payloads
from bench.peers import Absent, alertmanager
from bench.programs.slack import Counts
from bench.row import Row, Series, limit_row
from bench.rows.storm import ALL, counts, send, slack
from bench.stage import Program, Stage

COUNT = 5_000
NAME = f"{alertmanager.NAME}, the same, group_wait 5s so that it has accepted all by then"
LATER = 60
"""Seconds that a peer has to tell the rest."""


def measure(stage: Stage) -> Iterator[Row]:
    """Yield what was lost, what was told twice, and how soon telling went on as before."""
    ours, pause = _ours(stage)
    try:
        theirs = _alertmanager(stage)
    except Absent as absent:
        print(f"left out: {absent}", file=sys.stderr)
        theirs = Counts(told=COUNT)
    for what, value, other in (
        ("lost", COUNT - ours.told, COUNT - theirs.told),
        ("told twice", ours.twice, theirs.twice),
    ):
        name = f"kill -9 in a storm of {COUNT:,}, restart: {what}"
        yield limit_row(name, "alerts", Series([value]), Series([other]), NAME, 0, "0")
    yield limit_row(
        "… from the restart until full rate", "s", Series([pause]), Series([pause]), "(no comparison)", 5, "< 5 s"
    )


def _ours(stage: Stage) -> tuple[Counts, float]:
    with stage.another() as own:
        slack(own, own.vendors_port)
        own.store(ALL)
        receiver, port = own.receiver(ALL)
        worker = own.worker(ALL)
        send(own, port, [payloads.alertmanager(n) for n in range(COUNT)])
        _kill_at_a_third(own, receiver, worker)
        restarted = time.monotonic()
        own.receiver(ALL)
        own.worker(ALL)
        before = counts(own.vendors_port).told
        own.until(lambda: counts(own.vendors_port).told >= before + 500, 120)
        full = time.monotonic() - restarted
        own.until(lambda: counts(own.vendors_port).told >= COUNT, 120)
        return counts(own.vendors_port), full


def _kill_at_a_third(stage: Stage, *programs: Program) -> None:
    stage.until(lambda: counts(stage.vendors_port).told >= COUNT / 3, 60)
    for program in programs:
        program.kill()


def _alertmanager(stage: Stage) -> Counts:
    with stage.another() as own:
        slack(own, own.vendors_port)
        program, port = alertmanager.start(own, slack=own.vendors_port, cores=ALL, interval="10s", wait="5s")
        send(own, port, [alertmanager.request(n) for n in range(COUNT)])
        _kill_at_a_third(own, program)
        again = own.start("alertmanager-again", program.process.args, ALL)  # type: ignore[arg-type]  # a list of str
        deadline = time.monotonic() + LATER
        while counts(own.vendors_port).told < COUNT and time.monotonic() < deadline and again.process.poll() is None:
            time.sleep(0.5)
        return counts(own.vendors_port)
