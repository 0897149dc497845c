"""What a terminal shows: how wide it is, how wide a text is there, and texts made to fit."""

from __future__ import annotations

import shutil
import sys
import unicodedata

NARROWEST = 20
"""Columns below which nothing is made to fit: a terminal that says so is mistaken."""
_NO_WIDTH = ("Mn", "Me", "Cf")


def room() -> int | None:
    """Return how many columns the terminal has that stdout is; None if it is none, or does not tell."""
    if not sys.stdout.isatty():
        return None
    columns = shutil.get_terminal_size((0, 0)).columns
    return max(columns, NARROWEST) if columns else None


def one_line(text: str) -> str:
    """Return the text in one line, without what a terminal would obey instead of showing it: senders write texts."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())


def width(text: str) -> int:
    """Return the columns a text takes: Korean, Chinese and Japanese characters take two, what combines takes none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, columns: int) -> str:
    """Return the text, cut to the columns, with "…" at the end where it was wider."""
    if width(text) <= columns:
        return text
    kept, left = 0, columns - 1
    while kept < len(text) and (left := left - _columns(text[kept])) >= 0:
        kept += 1
    return text[:kept].rstrip() + "…"


def wrapped(text: str, columns: int) -> list[str]:
    """Return the text in lines of so many columns; a word that is wider stays whole: it may be an address to copy."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if width(longer) <= columns or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _columns(char: str) -> int:
    if "\u1160" <= char <= "\u11ff" or unicodedata.category(char) in _NO_WIDTH:  # the rest of a Korean syllable
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
