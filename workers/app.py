"""The Celery app of the workers: `celery -A workers.app worker`."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import structlog
from celery import Celery, signals
from celery.platforms import SecurityWarning
from redis.exceptions import RedisError

from bridge import garbage, logs, selfreport, wiring
from bridge.pipeline.parts import Parts
from bridge.pipeline.selfwatch import watch
from bridge.pipeline.sweep import sweep
from bridge.settings import ConfigError

EVERY = 1.0
FIRST_SWEEP = 10.0
"""Seconds for which the look at the bridge itself waits for the first sweep: after a stop of all it must come first."""

log = structlog.get_logger(__name__)
warnings.filterwarnings("ignore", category=SecurityWarning)  # as root it warns of pickle, which we never accept
garbage.one_heap()
try:
    settings = wiring.load()
    app: Celery = wiring.celery(settings)
    rounds = wiring.rounds(settings, app)
except ConfigError as error:
    raise SystemExit(f"the config has mistakes:\n{error}") from error
app.conf.update(worker_pool="threads", worker_concurrency=8, imports=["workers.tasks"])
wiring.report_errors(settings)  # before Celery makes its tasks ready to run, else their errors are not seen
for _name in [name for name in app.tasks if name.startswith("celery.")]:
    app.tasks.unregister(_name)  # its own (chord, map, …) run what a message names: nobody here sends them

_stopping, _swept = threading.Event(), threading.Event()


@cache
def parts() -> Parts:
    """Return the running parts, made once in each worker process."""
    made = wiring.parts(settings, app)
    wiring.prepare(made.sinks.values())
    return made


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    logs.set_up(settings.log.level, settings.log.format, settings.mask)


@signals.worker_ready.connect
def _start_looking(**_: Any) -> None:
    for name, loop in {"sweep": _sweep, "watch": _watch, "checks": _check}.items():
        threading.Thread(target=loop, name=name, daemon=True).start()
    log.info("worker_ready", destinations=sorted(parts().sinks), checks=len(settings.checks) or None)
    garbage.collect_seldom()


@signals.worker_shutting_down.connect
def _stop_looking(**_: Any) -> None:
    _stopping.set()
    rounds.stop()


def _sweep() -> None:
    presence = wiring.presence(settings)

    def sweep_and_beat() -> None:
        try:
            sweep(parts())
            presence.beat()
            parts().deliveries.packs = presence.all_unpack
        finally:
            _swept.set()

    _again_and_again("sweep", sweep_and_beat)
    with suppress(RedisError):
        presence.leave()


def _watch() -> None:
    _swept.wait(FIRST_SWEEP)
    _again_and_again("watch", lambda: watch(parts()))


def _again_and_again(loop: str, look: Callable[[], object]) -> None:
    while not _stopping.wait(EVERY):
        try:
            look()
        except RedisError as error:
            log.warning("sweep_failed", loop=loop, error=str(error), do="nothing: it looks again in a second")
        except Exception as error:  # without the sweep nothing that waits would ever be done
            log.exception("sweep_broken", loop=loop, do="report it: this is a mistake in the bridge")
            selfreport.tell(error)


def _check() -> None:
    while not _stopping.is_set():
        try:
            rounds.run()
        except Exception as error:  # else nothing would be checked any more, and nobody told
            log.exception("checks_broken", do="report it: this is a mistake in the bridge")
            selfreport.tell(error)
            _stopping.wait(EVERY)
        else:
            return
