"""Accepted alerts per second against what a team would run instead, each sent what its own senders send."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import redis

from bench import payloads
from bench.peers import Absent, alerta, alertmanager, flask_celery
from bench.row import Row, Series, ratio_row
from bench.rows.webhooks import load
from bench.stage import RUNS, Program, Stage, empty

DISTINCT, NEW = 256, 15_000
"""Requests that are sent in turn; of the naive receiver, which only publishes what is new, more than it can take."""
Started = tuple[Program, int, list[bytes]]


def measure(stage: Stage) -> Iterator[Row]:
    """Yield a row for each peer that is there."""
    with stage.store() as client:
        for name, start, alerts, least in (
            (alertmanager.NAME, _alertmanager, 1, 1.0),
            (alertmanager.NAME, _alertmanager_100, 100, 1.0),
            (flask_celery.NAME, _naive, 1, 10.0),
            (alerta.NAME, _alerta, 1, 10.0),
        ):
            try:
                peer = start(stage)
            except Absent as absent:
                print(f"left out: {name}: {absent}", file=sys.stderr)
                continue
            yield _row(stage, client, name, peer, alerts, least)


def _row(stage: Stage, client: redis.Redis, name: str, peer: Started, alerts: int, least: float) -> Row:
    program, port, theirs = peer
    ours = [payloads.alertmanager(n, alerts) for n in range(DISTINCT)]
    bridge, own_port = stage.receiver()
    series, other = Series(), Series()
    load(stage, bridge, own_port, ours, alerts, seconds=0.5)
    load(stage, program, port, theirs, alerts, seconds=0.5)
    for _ in range(RUNS):
        empty(client)
        series.add(*load(stage, bridge, own_port, ours, alerts))
        other.add(*load(stage, program, port, theirs, alerts))
    empty(client)
    bridge.end()
    program.end()
    what = f"accepted from Alertmanager, {alerts} a request, against {name}"
    return ratio_row(what, "alerts/s", series, other, f"{name}, accepting the same alerts", least)


def _alertmanager(stage: Stage) -> Started:
    return *alertmanager.start(stage), [alertmanager.request(n) for n in range(DISTINCT)]


def _alertmanager_100(stage: Stage) -> Started:
    return *alertmanager.start(stage), [alertmanager.request(n, 100) for n in range(DISTINCT)]


def _naive(stage: Stage) -> Started:
    (program, *_), port = flask_celery.start(stage)
    return program, port, [payloads.alertmanager(n) for n in range(NEW)]


def _alerta(stage: Stage) -> Started:
    return *alerta.start(stage), [alerta.request(n) for n in range(DISTINCT)]
