"""The operator's config: strict types for options, loaded once, all errors reported together."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr


class Options(BaseModel):
    """What an operator can set in one place; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Secret = SecretStr
"""A value that never shows in repr, logs or errors; in the YAML every secret also takes `<key>_file`."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> object:
    """Return the span of "90s", "5m", "1h30m", "7d" (Prometheus' form); other types pass through."""
    if not isinstance(value, str):
        return value
    parts = _DURATION.findall(value)
    if not parts or "".join(n + u for n, u in parts) != value:
        raise ValueError(f'"{value}" is not a duration: write a number and ms, s, m, h, d or w, as in 90s or 1h30m')
    return timedelta(seconds=sum(float(n) * _SECONDS[u] for n, u in parts))


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A span of time, written as 90s, 5m, 1h30m, 7d."""
