"""What is wrong in a config: where, what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, or that is worth a warning."""

    file: str
    line: int = 0
    """From 1; 0 when it is about the file as a whole, or about the environment."""
    column: int = 0
    path: str = ""
    """Where in the config, as in `routes[0].to[0]`; empty for the config as a whole."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}  {self.path}: {self.message}" if self.path else f"{place}  {self.message}"


UNSET = "the environment variable"
"""Begins the message about a variable that is not set."""


class ConfigError(Exception):
    """A config that can't be used; its text has one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def only_unset(self) -> bool:
        """True if nothing is wrong but that variables are not set."""
        return all(problem.message.startswith(UNSET) for problem in self.problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "…"?` if a known word is close to this one, else nothing."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=0.6)
    return f' Did you mean "{by_lower[close[0]]}"?' if close else ""


def listed(words: Iterable[str]) -> str:
    """Return "a, b, c"."""
    return ", ".join(words)
