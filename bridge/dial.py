"""Short HTTP calls of the bridge's own: its outgoing heartbeat, and its canary."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from threading import Timer
from typing import Any

from bridge.settings.options import is_loopback

WITHIN = 10.0
"""Seconds that connecting, sending and each piece of the answer's head may take."""
WHOLE = 30.0
"""Seconds for all of it: who sends a byte now and then must not hold up whoever watches the bridge."""


def call(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
    """Call an address; return nothing when it answers 2xx, else why not.

    In words without the address, which may be a key. Follows no redirects, and reads nothing of the answer but its
    status. Through the environment's proxy, but for the loopback.
    """
    import httpx  # here, not above: it is slow to import

    end = _End()
    try:
        with (
            httpx.Client(timeout=WITHIN, follow_redirects=False, trust_env=not is_loopback(url)) as client,
            end,
            client.stream(
                method, url, content=body, headers=dict(headers or {}), extensions={"trace": end.see}
            ) as answer,
        ):
            return "" if answer.is_success else f"it answered {answer.status_code}"
    except httpx.TimeoutException:
        return f"no answer within {WITHIN:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"no answer within {WHOLE:g} s" if end.came else f"no connection ({type(error).__name__})"


class _End:
    """Cuts the connection off once the time for all of it is over."""

    def __init__(self) -> None:
        self.came = False
        self._socket: socket.socket | None = None
        self._timer = Timer(WHOLE, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def see(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn of the connection: https://www.encode.io/httpcore/extensions/#trace."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.came:
                self._cut()

    def _cut(self) -> None:
        self.came = True
        try:
            if self._socket is not None:  # not SSLSocket's own, which another thread must not call
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return


def reachable(host: str) -> str:
    """Return the address at which one that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - not bound, compared


def address(host: str, port: int) -> str:
    """Return the web address at which it is reached from this machine."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
