"""Short HTTP calls of the bridge's own: its outgoing heartbeat, and its canary."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.settings.options import is_loopback

WITHIN = 10.0
"""Seconds that connecting, sending and the answer's first line may take, each."""


def call(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
    """Call an address; return nothing when it answers 2xx, else why not.

    In words without the address, which may be a key. Follows no redirects, and reads nothing of the answer but its
    status. Through the environment's proxy, but for the loopback.
    """
    import httpx  # here, not above: it is slow to import

    try:
        with (
            httpx.Client(timeout=WITHIN, follow_redirects=False, trust_env=not is_loopback(url)) as client,
            client.stream(method, url, content=body, headers=dict(headers or {})) as answer,
        ):
            return "" if answer.is_success else f"it answered {answer.status_code}"
    except httpx.TimeoutException:
        return f"no answer within {WITHIN:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"no connection ({type(error).__name__})"


def reachable(host: str) -> str:
    """Return the address at which one that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - not bound, compared


def address(host: str, port: int) -> str:
    """Return the web address at which it is reached from this machine."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
