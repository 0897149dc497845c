"""Slack's SDK over kept connections: a storm pays for one TLS handshake, not for one each message."""

from __future__ import annotations

import logging
import ssl
import time
from functools import cache
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, getproxies, proxy_bypass

import urllib3
from slack_sdk import WebClient
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

TIMEOUT = 8
"""Seconds; a sync makes at most two slow calls before it stops."""
IDLE = 10.0
"""Seconds after which kept connections are not trusted any more: a firewall may have forgotten them without a word."""

HANDSHAKE = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "HANDSHAKE_FAILURE")
"""OpenSSL's words for a handshake that failed: nothing was sent. Any other may come in the middle of an answer."""


class KeptClient(WebClient):
    """The SDK's client, which by itself opens a connection for each call."""

    def __init__(self, token: str, base_url: str, timeout: int = TIMEOUT) -> None:
        super().__init__(token, base_url, timeout=timeout, retry_handlers=[], logger=quiet())
        self._pool = _pool(base_url, timeout)
        self._used = 0.0

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        """Send one request; raises URLError when it certainly was not sent, else OSError.

        The SDK's own one place that touches the network (slack_sdk/web/base_client.py).
        """
        now = time.monotonic()
        if now - self._used > IDLE:
            self._pool.clear()
        self._used = now
        data = req.data if isinstance(req.data, bytes) else b""
        try:
            answer = self._pool.request(req.get_method(), url, body=data, headers=dict(req.header_items()))
        except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
            raise URLError(_unsent(error)) from error
        except SSLError as error:
            raise _tls_failed(error) from error
        except ReadTimeoutError as error:
            raise TimeoutError(f"no answer within {self.timeout} s") from error
        except HTTPError as error:
            raise OSError(str(error)) from error
        return {"status": answer.status, "headers": answer.headers, "body": answer.data.decode("utf-8", "replace")}


@cache
def tls() -> ssl.SSLContext:
    """Return what TLS is spoken with; made once in a process: loading the certificates takes longer than a call."""
    return ssl.create_default_context()


def quiet() -> logging.Logger:
    """Return a logger for the SDK that keeps still: the outcome says it all, and never with a webhook's URL."""
    logger = logging.getLogger("bridge.sinks.slack.sdk")
    logger.setLevel(logging.CRITICAL)
    return logger


def _pool(base_url: str, timeout: int) -> urllib3.PoolManager:
    """Return connections, through the proxy that the environment names (HTTPS_PROXY, NO_PROXY), if any."""
    to = urlsplit(base_url)
    proxy = "" if proxy_bypass(to.hostname or "") else getproxies().get(to.scheme, "")
    own: dict[str, Any] = {"maxsize": 16, "retries": False, "timeout": timeout, "ssl_context": tls()}
    return urllib3.ProxyManager(proxy, **own) if proxy else urllib3.PoolManager(**own)


def _unsent(error: Exception) -> OSError:
    """Return why no connection came to be, as the operating system says it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    return cause if isinstance(cause, OSError) else ConnectionRefusedError(str(error))


def _tls_failed(error: SSLError) -> OSError:
    """Return what a failure of TLS means: after a failed handshake, or a bad certificate, nothing was sent."""
    cause = error.args[0] if error.args and isinstance(error.args[0], ssl.SSLError) else ssl.SSLError(str(error))
    unsent = isinstance(cause, ssl.SSLCertVerificationError) or any(word in str(cause) for word in HANDSHAKE)
    return URLError(cause) if unsent else cause
