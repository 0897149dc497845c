"""The bell: a Celery message that says where to look, and carries no more than a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.exceptions import KombuError, OperationalError

from bridge.message import QUEUE, keys_before
from bridge.ports import Finding, Level
from bridge.primary import Finder, server_options, tls
from bridge.ringing import Ringing
from bridge.settings.address import Group, group, is_group

CONNECTED_WITHIN = 2.0
_AMQP = {"write_timeout": 5}
"""A RabbitMQ that is out of memory or disk stops reading: whoever publishes then must not hang."""
_SQS = {"visibility_timeout": 60, "wait_time_seconds": 10, "polling_interval": 0.1}
"""Long polls one after the other; what a dead worker had in hand is there again after a minute."""


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
    servers = group(broker_url) if is_group(broker_url) else None
    broker = servers.url if servers else broker_url.replace("unix://", "redis+socket://", 1)
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
        task_default_delivery_mode="transient",
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
    if servers:
        _find_among(servers, app, prefix)
    return app


def _find_among(servers: Group, app: Celery, prefix: str) -> None:
    """Let the app's connections find the one of several servers that takes writes."""
    app.conf.broker_transport = "bridge.broker:Transport"
    app.conf.broker_transport_options |= {
        "find": Finder(servers, prefix, CONNECTED_WITHIN / 2),
        "socket_timeout": 2,
        "health_check_interval": 2,  # a primary that only fell silent is left after some 5 s instead of 20
    }
    if tls(servers):
        given = {key: value for key, value in server_options(servers).items() if key.startswith("ssl_")}
        app.conf.broker_use_ssl = given or {"ssl_cert_reqs": "required"}


def _transport(broker_url: str, prefix: str) -> dict[str, Any]:
    scheme = broker_url.partition("://")[0]
    if scheme == "sqs":
        return _SQS | {"queue_name_prefix": re.sub(r"[^A-Za-z0-9_-]", "", prefix) + "-"}
    if scheme.startswith(("amqp", "pyamqp")):
        return _AMQP
    if not scheme.startswith(("redis", "unix")):
        return {}
    return {
        "global_keyprefix": keys_before(prefix),
        "ack_emulation": False,  # two transactions for each ring, to bring back what the sweep rings for anyway
        "priority_steps": (0,),  # one queue to look at instead of four
        "socket_timeout": 5,
        "socket_connect_timeout": CONNECTED_WITHIN,
        **({} if scheme == "unix" else {"socket_keepalive": True}),
        "health_check_interval": 10,
        "retry_on_timeout": False,
    }


def examine(app: Celery) -> Iterator[Finding]:
    """Yield whether the broker answers; raises nothing."""
    try:
        with app.connection_for_write() as connection:
            yield _answer(connection)
    except ImportError as error:
        yield Finding(Level.FAIL, f"the broker's library is missing: {error}", "install it: docs/scaling.md says which")
    except KeyError as error:
        yield Finding(
            Level.FAIL, f"no such broker: {error.args[0]}", "correct broker_url: amqps://…, sqs://, rediss://…"
        )


def _answer(connection: Connection) -> Finding:
    """Return whether a broker answers; raises ImportError, or KeyError for a kind that Celery does not know."""
    unreachable = (*connection.connection_errors, *connection.channel_errors, KombuError, OSError)
    try:
        connection.ensure_connection(max_retries=1)  # type: ignore[no-untyped-call]  # kombu has no types
        connection.channel().close()  # type: ignore[no-untyped-call]  # with a Redis the first that asks for an answer
    except unreachable as error:
        return Finding(Level.FAIL, f"the broker does not answer: {error}", "start it, or correct broker_url")
    return Finding(Level.OK, f"the broker answers: {connection.as_uri()}")


class CeleryBell(Ringing):
    """Rings through Celery."""

    losses = (OperationalError, KombuError, OSError)

    def __init__(self, app: Celery) -> None:
        self._app = app

    def _call(self, task: str, *args: str) -> None:
        self._app.send_task(task, args=args, queue=QUEUE, argsrepr="", kwargsrepr="")
