"""The section `self_watch`: when the bridge tells of its own trouble."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bridge.settings.options import Duration, Options, Secret
from bridge.settings.values import Positive


def _address(url: Secret | None) -> Secret | None:
    if url is not None and not _reachable(url.get_secret_value()):
        raise ValueError("is not an address to call: write the whole one, as in https://hc-ping.com/<key>")
    return url


def _reachable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and re.fullmatch(r"[!-~]+", url) is not None
    except ValueError:
        return False


class SelfWatch(Options):
    """When the bridge tells of its own trouble (docs/self-alerts.md)."""

    heartbeat_url: Annotated[Secret | None, AfterValidator(_address)] = Field(
        default=None, examples=["${HEARTBEAT_URL}"]
    )
    """Called (GET) about once a minute while the whole path is proven, and not otherwise; such an address is a key."""

    blocked_for: Positive = timedelta(seconds=55)
    """Nothing has got through to a destination for so long, or will by what its vendor says."""
    overdue_by: Positive = timedelta(minutes=5)
    """So long a destination has not been told of what it should know."""
    behind_by: Positive = timedelta(minutes=1)
    """So long an accepted request has waited for a worker to read it."""
    journal_for: Positive = timedelta(minutes=1)
    """So long a receiver has held requests in its journal that the store did not take."""
    dead_letters: int = Field(default=1, ge=1)
    """So many dead letters."""
    worker_silent_for: Annotated[Duration, Field(ge=timedelta(seconds=10))] = timedelta(seconds=30)
    """A worker that did not say that it stops has been silent for so long; they speak every 5 s."""
    sweep_silent_for: Annotated[Duration, Field(ge=timedelta(seconds=5))] = timedelta(seconds=30)
    """No worker has looked for what waits for so long; they look every second."""
