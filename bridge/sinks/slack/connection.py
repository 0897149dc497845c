"""Slack's SDK over kept connections: a storm pays for one TLS handshake, not for one each message."""

from __future__ import annotations

import logging
import ssl
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

import msgspec
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bridge.sinks.slack.lines import Lines

TIMEOUT = 8
"""Seconds; a sync makes at most two slow calls before it stops."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class KeptClient(WebClient):
    """The SDK's client, which by itself opens a connection for each call."""

    def __init__(self, token: str, base_url: str, timeout: int = TIMEOUT) -> None:
        super().__init__(token, base_url, timeout=timeout, retry_handlers=[], logger=quiet())
        self.lines = Lines(base_url, timeout, tls)

    def api_call(self, api_method: str, *, json: dict[str, Any] | None = None, **form: Any) -> SlackResponse:
        """Call a method, as the SDK does; a message goes past what it takes 90 µs for."""
        if json is None:
            return super().api_call(api_method, **form)
        own = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json;charset=utf-8"}
        url = self.base_url + api_method
        answer = self.lines.post(urlsplit(url).path, {**self.headers, **own}, _encode(json))
        try:
            data = _decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            data = {"ok": False, "error": "it answered something that is no JSON"}
        response = SlackResponse(
            client=self,
            http_verb="POST",
            api_url=url,
            req_args={},
            data=data,
            headers=answer.headers,
            status_code=answer.status,
        )
        response.validate()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        return response

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        """Send one request; raises URLError when it certainly was not sent, else OSError.

        The SDK's own one place that touches the network (slack_sdk/web/base_client.py).
        """
        data = req.data if isinstance(req.data, bytes) else b""
        answer = self.lines.post(urlsplit(url).path, dict(req.header_items()), data)
        return {"status": answer.status, "headers": answer.headers, "body": answer.body.decode("utf-8", "replace")}


@cache
def tls() -> ssl.SSLContext:
    """Return what TLS is spoken with; made once in a process: loading the certificates takes longer than a call."""
    return ssl.create_default_context()


def quiet() -> logging.Logger:
    """Return a logger for the SDK that keeps still: the outcome says it all, and never with a webhook's URL."""
    logger = logging.getLogger("bridge.sinks.slack.sdk")
    logger.setLevel(logging.CRITICAL)
    return logger
