"""The config's own secrets, taken out of what others say: vendors' answers, exceptions, log lines."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlsplit

SHORTEST = 6
"""A shorter secret is not looked for: it would be found in words."""
SHOWN = "•••"
_BASIC = re.compile(r"(?i)\b(basic[ _+:]+)([a-z0-9+/]{8,}={0,2})")


class Mask:
    """Replaces every secret it knows, as it is and as it stands in addresses, JSON and basic authentication."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, SHOWN)
        return _BASIC.sub(self._credential, text) if "asic" in text else text

    def inside(self, value: object) -> object:
        """Return decoded JSON without secrets in any of its texts."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.inside(item) for key, item in value.items()}
        return [self.inside(item) for item in value] if isinstance(value, list | tuple) else value

    def _credential(self, found: re.Match[str]) -> str:
        """Return basic authentication without user and password, if the password is one of ours."""
        try:
            plain = base64.b64decode(found[2]).decode("utf-8", "replace")
        except ValueError:
            return found[0]
        return found[1] + SHOWN if any(form in plain for form in self._forms) else found[0]

    def __repr__(self) -> str:
        return f"Mask({len(self._forms)} forms)"


def _forms(secret: str) -> Iterator[str]:
    for part in _parts(secret):
        yield part
        yield quote(part, safe="")
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]


def _parts(secret: str) -> Iterator[str]:
    """Yield what is secret in a secret: of the address of a store or broker its password only."""
    if "://" not in secret:
        yield secret
        return
    try:
        address = urlsplit(secret)
        yield from filter(None, (address.password,))
    except ValueError:
        yield secret
        return
    if address.scheme in ("http", "https"):
        yield secret
        yield from filter(_random, (address.path.strip("/"),))


def _random(path: str) -> bool:
    """Return whether a path looks like a key: "restart" is a word, which stands in other places for what it means."""
    return len(path) > 20 or any(char.isdigit() for char in path)
