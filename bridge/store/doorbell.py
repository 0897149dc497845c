"""The bell where Celery's queue lies in the store: one short call; Celery's own way there takes half a millisecond."""

from __future__ import annotations

import secrets

from redis.exceptions import RedisError

from bridge.message import INGEST, message, queue_key
from bridge.ringing import Ringing
from bridge.store.keyspace import Keyspace

_TAG = "<tag>"
_RING = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', 1000) then return 0 end
local time = redis.call('TIME')
redis.call('LPUSH', KEYS[2], (string.gsub(ARGV[1], '<tag>', time[1] .. '-' .. time[2])))
return 1
"""


class Doorbell(Ringing):
    """Puts Celery's message into its queue."""

    losses = (RedisError,)

    def __init__(self, keyspace: Keyspace) -> None:
        self._keys = keyspace
        self._queue = queue_key(keyspace.prefix)

    def _call(self, task: str, *args: str) -> None:
        self._keys.client.lpush(self._queue, message(task, *args, tag=secrets.token_hex(8)))


def ring_once(prefix: str) -> tuple[bytes, ...]:
    """Return the call that rings for the inbox, unless somebody did within the last second; its answer is 1 or 0."""
    keys = f"{prefix}rung:", queue_key(prefix)
    return tuple(word.encode() for word in ("EVAL", _RING, "2", *keys, message(INGEST, tag=_TAG)))
