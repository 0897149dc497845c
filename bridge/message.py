"""A Celery message as it lies in a Redis: a bell that the store rings itself needs no Celery to be written.

Celery's message protocol (https://docs.celeryq.dev/en/stable/internals/protocol.html) in the envelope that kombu gives
it in a Redis list; a test holds it against what Celery itself sends.
"""

from __future__ import annotations

import json
from base64 import b64encode

QUEUE = "bridge"
INGEST = "bridge.ingest"
DELIVER = "bridge.deliver"
RECOVER = "bridge.recover"


def queue_key(prefix: str) -> str:
    """Return the list that is the queue, of a bridge whose keys begin with `prefix`."""
    return f"{keys_before(prefix)}{QUEUE}"


def keys_before(prefix: str) -> str:
    """Return what Celery's own keys begin with."""
    return f"{prefix}celery:"


def message(task: str, *args: str, tag: str) -> str:
    """Return a message that calls a task; no two that wait may have one tag."""
    body = json.dumps([args, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    headers = {"lang": "py", "task": task, "id": tag, "root_id": tag, "parent_id": None, "group": None, "retries": 0}
    more = {"eta": None, "expires": None, "timelimit": [None, None], "argsrepr": "", "kwargsrepr": ""}
    properties = {
        "correlation_id": tag,
        "delivery_tag": tag,
        "delivery_mode": 1,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "priority": 0,
        "body_encoding": "base64",
    }
    envelope = {
        "body": b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers | more,
        "properties": properties,
    }
    return json.dumps(envelope)
