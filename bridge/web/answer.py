"""What a sender is answered."""

from __future__ import annotations

import json

Answer = tuple[int, dict[str, object]]
Headers = list[tuple[bytes, bytes]]

RETRY_AFTER = 5
"""Seconds a sender is asked to wait when nothing could be stored."""
_CLOSE = [(b"connection", b"close")]  # what is left of a body that is too long is not waited for
_ALSO = {
    400: _CLOSE,
    413: _CLOSE,
    405: [(b"allow", b"POST")],
    503: [(b"retry-after", str(RETRY_AFTER).encode())],
}
_encoded = json.JSONEncoder(ensure_ascii=False).encode


def rendered(answer: Answer, trace: str) -> tuple[int, Headers, bytes]:
    """Return an answer's status, headers and body."""
    status, said = answer
    body = _encoded(said).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-trace-id", trace.encode()),
        *_ALSO.get(status, ()),
    ]
    return status, headers, body
