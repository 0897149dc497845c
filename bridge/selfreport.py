"""Reports the bridge's own errors to Sentry, scrubbed, and never in a circle."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from bridge import __version__

TAG = "alert_bridge"
"""On every event the bridge reports; an alert that carries it is about the bridge itself."""
NOTE = "not reported: it went wrong over a problem of the bridge's own"

_about_itself: ContextVar[bool] = ContextVar("about_itself", default=False)


class Work:
    """Work on some problems; `working_on` makes it."""

    def __init__(self, *, about_itself: bool) -> None:
        self._about_itself = about_itself
        self._token: Token[bool] | None = None

    def __enter__(self) -> None:
        self._token = _about_itself.set(self._about_itself)

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if self._token is not None:
            _about_itself.reset(self._token)
        if self._about_itself and error is not None:
            error.add_note(NOTE)  # it is reported further up, where nobody knows what was worked on


def working_on(*labels: Mapping[str, str]) -> Work:
    """Report nothing that goes wrong inside, if one of the problems worked on is the bridge's own.

    Else a failure to tell of a failure would be the next one to tell of. To be used with `with`.
    """
    return Work(about_itself=any(TAG in one for one in labels))


def set_up(dsn: str, scrub: Callable[[object], tuple[object, int]]) -> None:
    """Start reporting; requests, arguments, local variables, breadcrumbs and personal data are never sent."""
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    def before_send(event: Any, hint: Any) -> Any:
        error = (hint.get("exc_info") or (None, None, None))[1]
        if _about_itself.get() or any(NOTE in getattr(one, "__notes__", ()) for one in _chain(error)):
            return None
        event.pop("request", None)  # its path may hold a secret
        return scrub(event)[0]

    sentry_sdk.init(
        dsn,
        release=f"alert-bridge@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        trace_propagation_targets=[],
        auto_session_tracking=False,
        integrations=[LoggingIntegration(event_level=None)],  # a library that logs an outage is no error of ours
        before_send=before_send,
    )
    sentry_sdk.set_tag(TAG, "true")


def tell(error: BaseException) -> None:
    """Report an error that was caught, if reporting was started."""
    if "sentry_sdk" in sys.modules:
        import sentry_sdk

        sentry_sdk.capture_exception(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those it came from, the newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
