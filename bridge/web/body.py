"""Reading a request's body under a size cap; its deadline is the connection's own (protocol.py)."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Hold = Callable[[int], None]
"""Told how many bytes a request holds by now; raises Crowded."""

FREE = 64 << 10
"""Bytes of each body that need no room: ordinary alerts get in while large bodies are turned away."""


class TooLarge(Exception):
    """The body is larger than the cap, as sent or inflated."""


class Broken(Exception):
    """The body did not arrive whole, or is not what its Content-Encoding says."""


class Crowded(Exception):
    """All bodies together take as much memory as they may: come again."""


class Room:
    """Memory that the bodies of all requests under way may take together: a flood of strangers can't fill more."""

    def __init__(self, limit: int = 256 << 20) -> None:
        self._left = limit

    @contextmanager
    def guest(self) -> Iterator[Hold]:
        """Give one request a share; it is given back at the end."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            more = max(0, size - FREE - held)
            if more > self._left:
                raise Crowded
            self._left -= more
            held += more

        try:
            yield hold
        finally:
            self._left += held


async def read(receive: Receive, headers: dict[str, str], cap: int, hold: Hold) -> bytes:
    """Return the raw body, inflated if it came gzipped; raises TooLarge, Broken or Crowded."""
    if int(headers.get("content-length") or 0) > cap:
        raise TooLarge
    body = await _whole(receive, cap, hold)
    plain = _inflated(body, headers.get("content-encoding", "").strip().lower(), cap)
    if plain is not body:
        hold(len(body) + len(plain))
    return plain


async def _whole(receive: Receive, cap: int, hold: Hold) -> bytes:
    body = bytearray()  # not a list of parts: a million chunks of one byte would take a hundred times their size
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Broken("the sender hung up, or was too slow, before its body was whole")
        body += message.get("body", b"")
        if len(body) > cap:
            raise TooLarge
        hold(len(body))
        more = message.get("more_body", False)
    return bytes(body)


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
