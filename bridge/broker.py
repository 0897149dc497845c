"""Celery's broker where several servers hold it: kombu's Redis transport on connections that find the primary.

Kombu has a transport for Sentinel, and none for a Cluster (kombu issue 2204); with one hash tag before all of its keys,
one node has them all, and what finds the store's primary finds the broker's, too.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.connection import Connection, SSLConnection

from bridge.primary import Finder, Moving, MovingTLS


class _Channel(redis.Channel):
    connection_class: type[Connection] | None = Moving
    connection_class_ssl: type[SSLConnection] | None = MovingTLS
    from_transport_options: tuple[str, ...] = (*redis.Channel.from_transport_options, "find")  # type: ignore[assignment]  # longer
    find: Finder

    def _connparams(self, *asynchronous: Any, **named: Any) -> dict[str, Any]:
        options = super()._connparams(*asynchronous, **named)  # type: ignore[no-untyped-call]  # as kombu has it
        return {**options, "find": self.find}


class Transport(redis.Transport):
    """What `broker_transport` names when the broker's address is redis+sentinel:// or redis+cluster://."""

    Channel = _Channel
