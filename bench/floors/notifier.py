"""The floor of delivery: wait for an entry of the floor's stream, post a line to Slack over a kept connection."""

from __future__ import annotations

import http.client
import json
import os
import sys
from typing import Any

import redis

STREAM, GROUP = "floor", "notifier"
HEADERS = {"authorization": "Bearer xoxb-sandbox", "content-type": "application/json"}


def main() -> None:
    """Run until killed; the argument is Slack's port."""
    client: Any = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)  # its answers have no types
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    slack = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    print("waiting", flush=True)
    while True:
        for _, entries in client.xreadgroup(GROUP, "bench", {STREAM: ">"}, count=100, block=0):
            for entry, fields in entries:
                text = {"channel": "C0ONCALL", "text": fields[b"a"][:200].decode("utf-8", "replace")}
                _post(slack, json.dumps(text))
                client.xack(STREAM, GROUP, entry)


def _post(slack: http.client.HTTPConnection, body: str) -> None:
    try:
        slack.request("POST", "/slack/api/chat.postMessage", body, HEADERS)
        slack.getresponse().read()
    except (http.client.HTTPException, OSError):  # the sandbox of the run before is gone
        slack.close()
        slack.request("POST", "/slack/api/chat.postMessage", body, HEADERS)
        slack.getresponse().read()


if __name__ == "__main__":
    main()
