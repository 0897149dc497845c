"""Looking up in a channel what an interrupted call left there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

import msgspec

from bridge.ports import Delivery, Receipt, RetryAt
from bridge.sinks.slack.api import Api, Refused

INCIDENT = "alert_bridge_incident"
"""Metadata type of a root message; payload: incident (its id), version (told when it was posted)."""
ENTRY = "alert_bridge_entry"
"""Metadata type of a reply; payload: incident, entry (its version)."""
MARGIN = timedelta(seconds=120)
"""How far Slack's clock may be behind ours."""
NEAR = timedelta(minutes=3)
"""In so long after an attempt began, clocks included, its message stands if ever: there it is looked for first.

Else the look-up would read all that was said since, and after a long outage in a busy channel never come to its end.
"""
PATIENCE = 11.0
PAGE = 200

Posted = Mapping[str, object]


def find(api: Api, channel: str, delivery: Delivery) -> Receipt | None:
    """Return a receipt of what stands in the channel, with an empty memo so that the next sync edits.

    Raises Refused, RetryAt.
    """
    receipt = delivery.receipt
    if receipt is not None:
        told = _told(api, receipt.handle, delivery.incident.id)
        if told is not None:
            return msgspec.structs.replace(receipt, told=max(told, receipt.told), memo=())
    ts = _oldest_root(api, channel, delivery)
    if ts is None:
        return None
    told = _told(api, (channel, ts), delivery.incident.id) or 0
    return Receipt(handle=(channel, ts), version=told, told=told)


def _oldest_root(api: Api, channel: str, delivery: Delivery) -> str | None:
    """Return where the root stands: near the first interrupted attempt, else wherever a later one may have put it."""
    began = delivery.attempted_at or delivery.now
    first, near = f"{(began - MARGIN).timestamp():.6f}", f"{(began + NEAR).timestamp():.6f}"
    if delivery.now <= began + NEAR:
        return _root_between(api, channel, delivery, oldest=first)
    found = _root_between(api, channel, delivery, oldest=first, latest=near)
    return found or _root_between(api, channel, delivery, oldest=near)


def _root_between(api: Api, channel: str, delivery: Delivery, **span: str) -> str | None:
    asked = {"channel": channel, "inclusive": True, "include_all_metadata": True, **span}
    roots = [
        str(each["ts"])
        for each in _pages(api, "conversations.history", asked)
        if _version(api, each, INCIDENT, delivery.incident.id, "version") is not None
    ]
    return min(roots, key=float, default=None)


def _told(api: Api, handle: tuple[str, ...], incident: str) -> int | None:
    """Return the newest version that a root and its replies tell; None when the root is gone."""
    channel, ts = handle
    asked = {"channel": channel, "ts": ts, "include_all_metadata": True}
    try:
        thread = list(_pages(api, "conversations.replies", asked))
    except Refused as refused:
        if refused.code in ("thread_not_found", "message_not_found"):
            return None
        raise
    root = next((each for each in thread if each.get("ts") == ts), {})
    version = _version(api, root, INCIDENT, incident, "version")
    if version is None:
        return None
    told = (_version(api, each, ENTRY, incident, "entry") for each in thread)
    return max((version, *(each for each in told if each is not None)))


def _version(api: Api, posted: Posted, kind: str, incident: str, key: str) -> int | None:
    """Return the version in a message's metadata if it is our own and about this incident."""
    metadata = posted.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != kind:
        return None
    payload = metadata.get("event_payload")
    if not isinstance(payload, dict) or payload.get("incident") != incident:
        return None
    version = payload.get(key)
    # anybody's app can write such metadata: only what this token's own bot posted counts
    return version if isinstance(version, int) and api.is_own(posted) else None


def _pages(api: Api, method: str, asked: dict[str, object]) -> Iterator[Posted]:
    """Yield all messages of a paged answer; raises RetryAt when that takes too long for one look-up."""
    started, cursor = time.monotonic(), ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = api.read(method, limit=PAGE, **asked, **more)
        yield from answer.get("messages") or []
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return
        if time.monotonic() - started > PATIENCE:
            raise RetryAt(f"Slack's {method} is slow: looking again in a moment", after=timedelta(seconds=5))
