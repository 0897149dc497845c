"""The bell: a Celery message that says where to look, and carries no more than a name."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.exceptions import KombuError, OperationalError

QUEUE = "bridge"
INGEST = "bridge.ingest"
DELIVER = "bridge.deliver"
RECOVER = "bridge.recover"

log = structlog.get_logger(__name__)


class _Connection(Connection):
    """A connection that is looked for every 2 s at the most; Celery offers no setting for its own 30 s."""

    def ensure_connection(self, errback: Any = None, max_retries: int | None = None, **more: Any) -> Any:
        waits = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}
        return super().ensure_connection(errback, max_retries, **{**waits, **more})  # type: ignore[no-untyped-call]  # kombu has no types


class _Protocol(AMQP):  # type: ignore[misc]  # Celery has no types
    Connection = _Connection


def celery_app(broker_url: str, prefix: str) -> Celery:
    """Return the Celery app that rings and hears bells: JSON only, no results, nothing Celery has to remember.

    `prefix` stands before its keys if the broker is a Redis. The broker may be flushed at any moment; the settings
    and their reasons: docs/operations.md.
    """
    broker = broker_url.replace("unix://", "redis+socket://", 1)
    app = Celery("alert-bridge", broker=broker, amqp=_Protocol, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE,
        task_create_missing_queues=False,
        task_queues={QUEUE: {"exchange": "", "routing_key": QUEUE}},
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 0},
        task_send_sent_event=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=10,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport(broker_url, prefix),
    )
    return app


def _transport(broker_url: str, prefix: str) -> dict[str, Any]:
    if not broker_url.startswith(("redis", "rediss", "unix")):
        return {}
    return {
        "global_keyprefix": f"{prefix}celery:",
        "visibility_timeout": 60,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        **({} if "unix" in broker_url.partition(":")[0] else {"socket_keepalive": True}),
        "health_check_interval": 10,
        "retry_on_timeout": False,
    }


class CeleryBell:
    """Rings through Celery; a broker that can't be reached is logged, never raised: the sweep rings again."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ingest(self) -> None:
        """Ring for the inbox."""
        self._ring(INGEST)

    def deliver(self, destination: str) -> None:
        """Ring for a destination."""
        self._ring(DELIVER, destination)

    def recover(self, action: str) -> None:
        """Ring for a recovery action."""
        self._ring(RECOVER, action)

    def _ring(self, task: str, *args: str) -> None:
        try:
            self._app.send_task(task, args=args, queue=QUEUE, argsrepr="", kwargsrepr="")
        except (OperationalError, KombuError, OSError) as error:
            log.warning("bell_lost", task=task, error=str(error), do="nothing: the sweep rings within a second")
