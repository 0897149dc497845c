"""Many programs' output on one stream, each line with the name of who said it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import cycle
from typing import TextIO

LONGEST = 65536
"""A line is passed on in pieces of this many bytes, so that one without an end can't fill the memory."""

_COLOURS = (36, 33, 32, 35, 34, 96)


class Prefixed:
    """A stream on which every line starts with a name; in colour on a terminal unless NO_COLOR is set."""

    def __init__(self, out: TextIO, names: Iterable[str], hush: Mapping[str, re.Pattern[str]] | None = None) -> None:
        self._out: TextIO | None = out
        self._hush = hush or {}
        self._pending: dict[str, bytes] = {}
        names = list(names)
        width = max(map(len, names), default=0)
        colour = out.isatty() and not os.environ.get("NO_COLOR")
        self._names = {name: name.ljust(width) for name in names}
        if colour:
            self._names = {n: f"\x1b[{c}m{text}\x1b[0m" for (n, text), c in zip(self._names.items(), cycle(_COLOURS))}

    def feed(self, name: str, data: bytes) -> None:
        """Pass on the whole lines of what a program wrote, and keep the rest until the line ends."""
        *lines, rest = (self._pending.pop(name, b"") + data).split(b"\n")
        while len(rest) >= LONGEST:
            lines.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        if rest:
            self._pending[name] = rest
        for line in (line.decode(errors="replace").rstrip("\r") for line in lines):
            if name not in self._hush or not self._hush[name].search(line):
                self._write(name, "|", line)
        self._flush()

    def end(self, name: str) -> None:
        """Pass on a last line that never ended."""
        if name in self._pending:
            self.feed(name, b"\n")

    def say(self, name: str, words: str) -> None:
        """Say something about a program, told from its own output by a star."""
        self._write(name, "*", words)
        self._flush()

    def _write(self, name: str, mark: str, line: str) -> None:
        if self._out is not None:
            encoding = self._out.encoding or "utf-8"
            text = f"{self._names[name]} {mark} {line}\n".encode(encoding, "replace").decode(encoding)
            self._attempt(lambda out: out.write(text))

    def _flush(self) -> None:
        self._attempt(lambda out: out.flush())

    def _attempt(self, act: Callable[[TextIO], object]) -> None:
        """Write; a terminal or a pipe that is gone must not end the programs: from then on nothing is written."""
        if self._out is None:
            return
        try:
            act(self._out)
        except (OSError, ValueError):
            self._out = None
