"""Reports the bridge's own errors to Sentry, scrubbed, and never in a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from bridge import __version__

TAG = "alert_bridge"
"""On every event the bridge reports; an alert that carries it is about the bridge itself."""

_about_itself: ContextVar[bool] = ContextVar("about_itself", default=False)


@contextmanager
def working_on(*labels: Mapping[str, str]) -> Iterator[None]:
    """Report nothing that goes wrong inside, if one of the problems worked on is the bridge's own.

    Else a failure to tell of a failure would be the next one to tell of.
    """
    token = _about_itself.set(any(TAG in one for one in labels))
    try:
        yield
    finally:
        _about_itself.reset(token)


def set_up(dsn: str, scrub: Callable[[object], tuple[object, int]]) -> None:
    """Start reporting; bodies, arguments, local variables and personal data are never sent."""
    import sentry_sdk

    def before_send(event: Any, _hint: Any) -> Any:
        return None if _about_itself.get() else scrub(event)[0]

    sentry_sdk.init(
        dsn,
        release=f"alert-bridge@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=before_send,
    )
    sentry_sdk.set_tag(TAG, "true")
