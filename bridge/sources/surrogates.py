"""JSON with half a character in it, as senders write it that cut a text in the middle of an emoji."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)


def mended(body: bytes) -> bytes:
    r"""Return JSON in which the escape of half a surrogate pair (`\ud800`) is that of U+FFFD; the rest stays as it is.

    RFC 8259, 8.2, leaves open what a reader makes of such an escape; msgspec refuses the whole text.
    """
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
