"""Starts the naive receiver and its Celery worker (naive.py) as their documentation tells one to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.peers import Absent
from bench.ports import free_port
from bench.stage import TESTED, Program, Stage, listens, wait_for

NAME = "Flask + Celery, 60 lines"
PEERS = Path(sys.prefix) / "peers"


def start(stage: Stage, slack: int | None = None, cores: set[int] = TESTED) -> tuple[list[Program], int]:
    """Start gunicorn with Flask, and with a Slack to call its worker as well; the store runs. Raises Absent."""
    gunicorn = PEERS / "bin" / "gunicorn"
    if not gunicorn.exists():
        raise Absent("Flask is not installed (make peers)")
    port = free_port()
    broker = stage.redis_url.replace("unix://", "redis+socket://", 1)
    os.environ |= {
        "NAIVE_SLACK": f"http://127.0.0.1:{slack}/hook",
        "NAIVE_REDIS": broker,
        "NAIVE_SEEN": stage.redis_url,
    }
    flags = ["--worker-class", "gthread", "--threads", "8", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    programs = [stage.start("naive", [str(gunicorn), *flags, "bench.peers.naive:web()"], cores)]
    if slack:
        argv = [str(PEERS / "bin" / "celery"), "-q", "-A", "bench.peers.naive", "worker", "-c", "2", "-l", "info"]
        programs.append(stage.start("naive-worker", argv, cores))
        wait_for(lambda: "ready" in programs[-1].log.read_text(), programs[-1])
    wait_for(lambda: listens(port), programs[0])
    return programs, port
