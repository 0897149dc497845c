"""How Sentry's hooks are read: lenient decoding, texts, and which of several times to believe.

Facts: getsentry/sentry, `sentry_apps/api/serializers/app_platform_event.py` (headers) and `utils/idempotency.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from bridge.domain.alert import event_id, from_epoch
from bridge.domain.words import clip
from bridge.ports import Request, Unparseable
from bridge.sources.surrogates import mended

T = TypeVar("T", bound=Struct)
AHEAD = timedelta(minutes=5)
"""How far a clock outside may be ahead of the bridge's; what lies further in the future is not believed."""
_TRUNCATED = timedelta(seconds=1)
"""Sentry-Hook-Timestamp is in whole seconds, rounded down; the times in bodies have microseconds."""


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return the body as the decoder's type, without what is of another type than expected.

    Half a character counts as U+FFFD. Raises Unparseable when the body is no JSON object or is nested too deeply.
    """
    try:
        return _decoded(decoder, body)
    except Unparseable:
        whole = mended(body)
        if whole == body:
            raise
    return _decoded(decoder, whole)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        pass  # something is odd: read it again the slow way, and keep what fits
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparseable(f"the body is not JSON that can be read: {error}") from error
    try:
        fitted = _fitted(msgspec.json.decode(body), decoder.type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparseable(f"the body is not JSON that can be read: {error}") from error
    if fitted is None:
        raise Unparseable("the body is not a JSON object")
    return fitted  # type: ignore[no-any-return]  # a T: _fitted returns what it was asked for


def _fitted(value: object, kind: Any) -> Any:
    """Return the value as `kind`; of objects and lists, what fits of them; else None."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    for option in (kind, *get_args(kind)):
        if isinstance(value, list) and get_origin(option) is list:
            items = (_fitted(item, get_args(option)[0]) for item in value)
            return [item for item in items if item is not None]
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, Struct):
            fields = msgspec.structs.fields(option)
            given = {f.name: _fitted(value[f.encode_name], f.type) for f in fields if f.encode_name in value}
            return option(**given)
    return None


def one_line(text: str | None, limit: int) -> str:
    """Return the text without line breaks, clipped to `limit` characters; empty for None."""
    if not text:
        return ""
    if len(text) <= limit and text.isprintable():
        return text.strip()  # nearly always, and much faster
    return clip(" ".join(text[: limit * 8].split()), limit)


def present(pairs: dict[str, str | None]) -> dict[str, str]:
    """Return the pairs that have a value, each as one line of at most 300 characters."""
    lines = {key: one_line(value, 300) for key, value in pairs.items() if value}
    return {key: line for key, line in lines.items() if line}


def web_address(*given: str | None) -> str:
    """Return the first that is an address a browser opens, or empty."""
    return next((url for url in given if url and url.startswith(("https://", "http://"))), "")


def utc(at: datetime | None) -> datetime | None:
    """Return the time in UTC; Sentry's times without a zone are in UTC. None when unset or out of all reason."""
    if at is None or not 1970 < at.year < 9999:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def spoken_time(at: datetime | None) -> str:
    """Return "2026-01-15 09:14 UTC", or empty."""
    known = utc(at)
    return f"{known:%Y-%m-%d %H:%M} UTC" if known else ""


def believed(at: datetime | None, request: Request) -> datetime | None:
    """Return the time in UTC, or None if it is unset or lies too far in the future to be true.

    A statement dated next week would outrank every later one about its problem.
    """
    known = utc(at)
    return known if known and known <= request.received_at + AHEAD else None


def hook_time(request: Request) -> datetime | None:
    """Return the Sentry-Hook-Timestamp (Unix seconds; not covered by the signature), or None."""
    text = request.headers.get("sentry-hook-timestamp", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 11):
        return None
    return believed(from_epoch(int(text)), request)


def told_at(request: Request, since: datetime | None) -> datetime:
    """Return when Sentry made this statement: the hook's timestamp if it makes sense, else the time of receipt.

    Never before `since`, the newest thing the statement already knows of.
    """
    floor = believed(since, request)
    told = hook_time(request)
    if told is None or (floor and told + _TRUNCATED < floor):
        told = request.received_at
    return max(told, floor) if floor else told


def statement_id(resource: str, action: str, request: Request) -> str:
    """Return the event id of a statement that has no natural key.

    Resolving, reopening and resolving an issue again can give the same body twice, so what tells the two apart
    is hashed too: the Idempotency-Key (newer Sentry; the same on each attempt), else the hook's timestamp.
    """
    key = request.headers.get("idempotency-key", "").strip()
    told = hook_time(request)
    told_apart = key or (told.isoformat() if told else "")
    return event_id(resource, action, request.body, told_apart.encode("utf-8", "replace"))
