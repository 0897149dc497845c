"""HTTP answer → done | retry at | unknown | rejected: the only such rule, shared by every sink."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from bridge.ports import Outcome, Rejected, RetryAt, Unknown

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(hours=1)
AUTH_RETRY = timedelta(minutes=1)
"""A revoked token is asked about again this often, so that a fixed one works by itself."""

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})


def never_sent(error: BaseException) -> bool:
    """Return True when no connection came to be (refused, no such name, no route, no TLS): nothing was applied.

    For errors of the connecting phase only: an ssl.SSLError may also come while an answer is read.
    """
    if isinstance(error, ConnectionRefusedError | socket.gaierror | ssl.SSLError):
        return True
    return isinstance(error, OSError) and error.errno in _NO_ROUTE


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return the wait a Retry-After header asks for, as seconds or as an HTTP date, between 1 s and 1 h.

    None when there is no such header or it can't be read. RFC 9110, 10.2.3.
    """
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    if not value:
        return None
    try:
        wait = timedelta(seconds=float(value)) if value[0].isdigit() else parsedate_to_datetime(value) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, SHORTEST), LONGEST)


def from_status(
    status: int, headers: Mapping[str, str], reason: str, now: datetime, *, idempotent: bool = False
) -> Outcome:
    """Return what a failed HTTP answer means.

    429: retry when the vendor says. 401, 403: the credential; the destination waits. 408, 5xx: unknown, unless the
    call was idempotent (repeating it does no harm). 409: a passing conflict. Anything else: rejected.
    """
    if status == 429:
        return RetryAt(reason, after=retry_after(headers, now) or timedelta(seconds=30), blocked=True)
    if status in (401, 403):
        return RetryAt(reason, after=AUTH_RETRY, blocked=True)
    if status == 409:
        return RetryAt(reason, after=timedelta(seconds=5))
    if status == 408 or status >= 500:
        after = retry_after(headers, now) or timedelta(seconds=5)
        return RetryAt(reason, after=after) if idempotent else Unknown(reason)
    return Rejected(reason)
