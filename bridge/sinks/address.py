"""Which addresses from outside a person may be offered as a link."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(https?)://([^/?#\\@\s]+)([/?#].*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.IGNORECASE)


def web_link(url: str) -> str:
    """Return an http(s) address with its host in ASCII, or "" for anything else.

    No user before the host (`https://sentry.io@evil.example`), no characters that browsers read another way than
    they look; names beyond ASCII come as punycode, so that a look-alike is seen. The path is left as it is.
    """
    found = _ADDRESS.fullmatch(url.strip())
    if found is None:
        return ""
    scheme, authority, rest = found[1].lower(), found[2], found[3] or ""
    if not authority.isascii():
        try:
            authority = authority.encode("idna").decode()
        except UnicodeError:
            return ""
    return f"{scheme}://{authority}{rest}" if _AUTHORITY.fullmatch(authority) else ""
