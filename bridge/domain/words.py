"""Numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@lru_cache(1000)  # alarms have few periods
def duration(span: timedelta) -> str:
    """Return a span with its two largest units: "45 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    left = max(0, int(span.total_seconds()))
    words: list[str] = []
    for unit, size in _UNITS:
        amount, left = divmod(left, size)
        if amount:
            words.append(f"{amount} {unit}")
        if len(words) == 2 or (words and not amount):
            break
    return " ".join(words[:2]) or "0 s"


def mentions(text: str, name: str) -> bool:
    """Return whether a name stands in the text as a word of its own, whatever its case: "api" not in "checkout-api"."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) is not None


def clip(text: str, limit: int) -> str:
    """Return the text, cut to `limit` characters with "…" as the last one where it was longer."""
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def first_few(names: Sequence[str], most: int) -> str:
    """Return the first of some names: "a, b, c", and how many there are more, if there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
