"""How long senders wait for their answer at 1,000 webhooks a second, while all is well and while it is not."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import redis

from bench import payloads
from bench.row import Row, Series, limit_row
from bench.stage import OTHERS, RUNS, Program, Stage, empty

RATE, SECONDS, STALLED = 1_000, 4.0, 5.0
WAITING = 10_000
FLOOR = "bare ASGI: read, HMAC, XADD, at the same rate"


def measure(stage: Stage) -> Iterator[Row]:
    """Yield the 99th percentile under load, and the longest wait in two kinds of trouble."""
    client = stage.store()
    with client:
        _, port = stage.receiver()
        _, bare = stage.bare_receiver(1000)
        file = stage.folder / "steady"
        file.write_bytes(msgspec.msgpack.encode([payloads.alertmanager(n) for n in range(1000)]))
        _steady(stage, port, 1.0)
        calm, floor = Series(), Series()
        for _ in range(RUNS):
            empty(client)
            calm.add(_steady(stage, port, SECONDS)["p99"])
            floor.add(_steady(stage, bare, SECONDS)["p99"])
        yield limit_row("answer, 1,000 webhooks/s, p99", "ms", calm, floor, FLOOR, 25, "< 25 ms")
        stage.worker(OTHERS)
        backlog = _behind_a_backlog(stage, client, port)
        yield limit_row(
            f"answer, while {WAITING:,} deliveries wait, longest", "ms", backlog, floor, FLOOR, 1000, "< 1 s"
        )
        stalled = _while_the_store_stands_still(stage, stage.stores[-1], port)
        yield limit_row("answer, store stopped for 5 s, longest", "ms", stalled, floor, FLOOR, 1000, "< 1 s")


def _steady(stage: Stage, port: int, seconds: float) -> dict[str, float]:
    argv = ("bench.programs.steady", str(port), str(RATE), str(seconds), str(stage.folder / "steady"))
    found: dict[str, float] = msgspec.json.decode(stage.output(*argv, cores=OTHERS))
    if found["refused"]:
        raise AssertionError(f"{found['refused']} requests were refused")
    return found


def _behind_a_backlog(stage: Stage, client: redis.Redis, port: int) -> Series:
    """Nothing listens where Slack is in the config, so all that becomes due waits there."""
    file = stage.folder / "steady"
    file.write_bytes(msgspec.msgpack.encode([payloads.alertmanager(n, 100) for n in range(WAITING // 100)]))
    stage.output("bench.programs.load", str(port), "60", "4", str(file), "once", cores=OTHERS)
    stage.until(lambda: client.zcard("{ab}:due:oncall") >= WAITING, 120)
    file.write_bytes(msgspec.msgpack.encode([payloads.alertmanager(n) for n in range(1000)]))
    return Series([_steady(stage, port, SECONDS)["max"]])


def _while_the_store_stands_still(stage: Stage, store: Program, port: int) -> Series:
    with _stopped(store):
        return Series([_steady(stage, port, STALLED + 2)["max"]])


@contextmanager
def _stopped(program: Program) -> Iterator[None]:
    """Stop a program a second from now, for 5 s."""
    timers = [threading.Timer(1 + after, os.kill, (program.process.pid, number)) for after, number in _SIGNALS]
    for timer in timers:
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        os.kill(program.process.pid, signal.SIGCONT)


_SIGNALS = ((0.0, signal.SIGSTOP), (STALLED, signal.SIGCONT))
