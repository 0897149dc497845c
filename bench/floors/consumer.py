"""The floor of ingest: read a hundred, count each in one Lua script, acknowledge; prints {"seconds", "cpu"} as JSON."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
import redis

from bridge.domain.alert import Alert

STREAM, GROUP, BATCH = "{ab}:inbox", "floor", 100
COUNT = """
for i = 1, #KEYS do
  redis.call('HINCRBY', KEYS[i], 'n', 1)
  redis.call('HSETNX', KEYS[i], 'first', ARGV[1])
  redis.call('HSET', KEYS[i], 'last', ARGV[1])
  redis.call('PEXPIRE', KEYS[i], 86400000)
end
"""


def main() -> None:
    """Drain the same inbox."""
    client: Any = redis.Redis.from_url(os.environ["REDIS_URL"])  # its answers have no types
    count, decode = client.register_script(COUNT), msgspec.msgpack.Decoder(list[Alert]).decode
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    began, cpu = time.perf_counter(), time.process_time()
    while found := client.xreadgroup(GROUP, "bench", {STREAM: ">"}, count=BATCH):
        ((_, entries),) = found
        keys = [f"{{ab}}:n:{alert.fingerprint}" for _, fields in entries for alert in decode(fields[b"a"])]
        count(keys=keys, args=[time.time()])
        ids = [entry for entry, _ in entries]
        pipe = client.pipeline(transaction=False)
        pipe.xack(STREAM, GROUP, *ids)
        pipe.xdel(STREAM, *ids)
        pipe.execute()
    spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(msgspec.json.encode(spent).decode(), flush=True)
    client.close()


if __name__ == "__main__":
    main()
