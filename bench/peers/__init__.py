"""What a team would run instead, started by the same script; `Absent` says in a word why one is left out."""

from __future__ import annotations


class Absent(Exception):
    """This peer is not installed here; the message says how to get it."""
