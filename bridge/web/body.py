"""Reading a request's body under a size cap and a deadline."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

READ_WITHIN = 10.0
"""Seconds a sender may take for its body: a slow one must not hold a connection open."""


class TooLarge(Exception):
    """The body is larger than the cap, as sent or inflated."""


class Broken(Exception):
    """The body did not arrive whole, or is not what its Content-Encoding says."""


async def read(receive: Receive, headers: dict[str, str], cap: int, within: float = READ_WITHIN) -> bytes:
    """Return the raw body, inflated if it came gzipped; raises TooLarge or Broken."""
    if int(headers.get("content-length") or 0) > cap:
        raise TooLarge
    try:
        async with asyncio.timeout(within):
            body = await _whole(receive, cap)
    except TimeoutError:
        raise Broken(f"the body did not arrive within {within:g} s") from None
    return _inflated(body, headers.get("content-encoding", "").strip().lower(), cap)


async def _whole(receive: Receive, cap: int) -> bytes:
    parts, size = [], 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Broken("the sender hung up before its body was whole")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > cap:
            raise TooLarge
        more = message.get("more_body", False)
    return b"".join(parts)


def _inflated(body: bytes, encoding: str, cap: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Broken(f"Content-Encoding {encoding!r} is not understood: send the body plain, or gzipped")
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(body, cap + 1)
    except zlib.error as error:
        raise Broken("the body is not valid gzip") from error
    if len(plain) > cap:
        raise TooLarge
    if not stream.eof:
        raise Broken("the gzipped body is cut off")
    return plain
