"""The bell where Celery's queue lies in the store: one short call; Celery's own way there takes half a millisecond."""

from __future__ import annotations

import secrets

import structlog
from redis.exceptions import RedisError

from bridge.message import DELIVER, INGEST, RECOVER, message, queue_key
from bridge.store.keyspace import Keyspace

_TAG = "<tag>"
_RING = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', 1000) then return 0 end
local time = redis.call('TIME')
redis.call('LPUSH', KEYS[2], (string.gsub(ARGV[1], '<tag>', time[1] .. '-' .. time[2])))
return 1
"""

log = structlog.get_logger(__name__)


class Doorbell:
    """Puts Celery's message into its queue; what the store does not take is logged, never raised."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._queue = queue_key(keyspace.prefix)

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
            self._keys.client.lpush(self._queue, message(task, *args, tag=secrets.token_hex(8)))
        except RedisError as error:
            log.warning("bell_lost", task=task, error=str(error), do="nothing: the sweep rings within a second")


def ring_once(prefix: str) -> tuple[bytes, ...]:
    """Return the call that rings for the inbox, unless somebody did within the last second; its answer is 1 or 0."""
    keys = f"{prefix}rung:", queue_key(prefix)
    return tuple(word.encode() for word in ("EVAL", _RING, "2", *keys, message(INGEST, tag=_TAG)))
