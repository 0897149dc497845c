"""`${NAME}` and `${NAME:-default}` in values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_SECRET = re.compile(r"SECRET|TOKEN|PASSW|KEY|DSN|CREDENTIAL", re.IGNORECASE)
_PATH = ("_DIRECTORY", "_DIR", "_FILE", "_PATH")


@dataclass
class Expanded:
    """A value with its variables put in, and what was found on the way."""

    text: str
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Names of variables that are not set and have no default."""
    secrets: set[str] = field(default_factory=set)
    """Values of variables whose names say that they are secret."""


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """Return the text with variables replaced by their values; `$${` becomes a plain `${`.

    As in a shell, a default also stands in for a variable that is set to nothing. Values are not expanded again.
    """
    result = Expanded("")

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        inside = _INSIDE.fullmatch(found[1])
        if not inside or not found[2]:
            result.problems.append(
                f'"{found[0]}" is no variable: write ${{NAME}} or ${{NAME:-default}}, or $${{ for a plain ${{'
            )
            return ""
        return _value(inside[1], inside[2], environ, result)

    result.text = _REFERENCE.sub(replace, text)
    return result


def _value(name: str, default: str | None, environ: Mapping[str, str], result: Expanded) -> str:
    result.names.append(name)
    value = environ.get(name)
    if value and _SECRET.search(name) and not name.upper().endswith(_PATH):
        result.secrets.add(value)
    if value is None and default is None:
        result.missing.append(name)
    return value or default or ""
