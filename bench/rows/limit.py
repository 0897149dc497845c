"""A Slack that takes one message a second and says 429 to more, with 500 incidents waiting."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from bench import payloads
from bench.peers import Absent, alertmanager
from bench.programs.slack import Counts
from bench.row import Row, Series, limit_row
from bench.rows.storm import ALL, counts, send, slack
from bench.stage import ONCALL_ONLY, Stage

WAITING = 500
SECONDS = float(os.environ.get("BENCH_LIMIT_SECONDS", "60"))
PACED = ONCALL_ONLY.replace("kind: slack, per_second: 0,", "kind: slack, per_second: 1, burst: 1,")


def measure(stage: Stage) -> Iterator[Row]:
    """Yield what is delivered, and how many calls are made in vain."""
    ours, name = _ours(stage), f"{alertmanager.NAME}, the same Slack, group_interval 10s"
    try:
        theirs = _alertmanager(stage)
    except Absent as absent:
        print(f"left out: {absent}", file=sys.stderr)
        theirs = Counts()
    told, calls = Series([ours.messages / SECONDS]), Series([ours.rejected])
    row = Row(
        "Slack takes 1 message/s, 500 wait: delivered",
        "/s",
        told,
        Series([max(theirs.messages, 1) / SECONDS]),
        name,
        "≥ 0.95/s",
    )
    row.met = told.median >= 0.95
    yield row
    most = SECONDS
    yield limit_row(
        f"… calls answered 429 in {SECONDS:g} s", "", calls, Series([theirs.rejected]), name, most, "≤ 1 each second"
    )


def _ours(stage: Stage) -> Counts:
    with stage.another(PACED) as own:
        slack(own, own.vendors_port, 1)
        own.store(ALL)
        _, port = own.receiver(ALL)
        own.worker(ALL)
        send(own, port, [payloads.alertmanager(n) for n in range(WAITING)])
        return _after_a_while(own.vendors_port)


def _alertmanager(stage: Stage) -> Counts:
    with stage.another() as own:
        slack(own, own.vendors_port, 1)
        _, port = alertmanager.start(own, slack=own.vendors_port, cores=ALL, interval="10s")
        send(own, port, [alertmanager.request(n) for n in range(WAITING)])
        return _after_a_while(own.vendors_port)


def _after_a_while(port: int) -> Counts:
    """Return what came within the window from the first message on."""
    time.sleep(SECONDS)
    return counts(port)
