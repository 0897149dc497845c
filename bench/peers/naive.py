"""What many teams have: a Flask receiver that hands each alert to Celery, which posts it to Slack.

`.venv/peers` holds Flask and gunicorn (`make peers`); the worker is this file too. It checks the signature and
forgets repeats for an hour; it has no state, no order and no second look at anything. With Celery's defaults.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import urllib.request
from typing import Any

from celery import Celery

REDIS_URL = os.environ.get("NAIVE_REDIS", "redis://127.0.0.1:6379")
app = Celery("naive", broker=REDIS_URL)


@app.task  # type: ignore[misc, untyped-decorator, unused-ignore]  # Celery has no types
def notify(text: str) -> None:
    """Post to Slack's incoming webhook."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(os.environ["NAIVE_SLACK"], body, {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).read()


def web() -> Any:
    """Return the WSGI application."""
    import redis
    from flask import Flask, request

    flask: Any = Flask("naive")
    seen = redis.Redis.from_url(os.environ["NAIVE_SEEN"])

    @flask.post("/hooks/alertmanager")  # type: ignore[untyped-decorator, unused-ignore]  # Flask may be missing
    def alertmanager() -> tuple[str, int]:
        if not hmac.compare_digest(request.headers.get("authorization", ""), "Bearer bench-token"):
            return "", 401
        for alert in request.get_json()["alerts"]:
            key = hashlib.sha256(json.dumps(alert["labels"], sort_keys=True).encode()).hexdigest()
            if seen.set(f"seen:{key}", 1, nx=True, ex=3600):
                notify.delay(alert["annotations"]["summary"])
        return "", 202

    return flask


if __name__ == "__main__":
    sys.exit("run it with gunicorn ('bench.peers.naive:web()') and celery -A bench.peers.naive worker")
