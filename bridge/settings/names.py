"""How things in the config may be called."""

from __future__ import annotations

import re

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Of what stands in addresses, keys of the environment and file names."""
WORD = r"^[^\s!-/:-@\[-`{-~][^\s!-,./:-@\[-^`{-~]{0,63}$"
"""Of what people read: letters of any language, as every dialect of regular expressions understands it."""
READ = ("checks", "heartbeats")
"""Sections whose names stand in messages only, and never in an address."""
_LETTERS = re.compile(r"[^\W_][\w-]{0,63}")


def complaint(section: str, name: str) -> str:
    """Return what is wrong with a name in a section; "" if nothing is."""
    read = section in READ
    if _LETTERS.fullmatch(name) if read else re.fullmatch(NAME, name):
        return ""
    letters = "letters" if read else "letters (A to Z)"
    return f"a name has {letters}, digits, - and _ only, and 64 at the most: rename it"
