"""The types that options are made of."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)


class Options(BaseModel):
    """What an operator can set in one place; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Secret = SecretStr
"""A value that never shows in repr, logs or errors; in the YAML every secret also takes `<key>_file`."""


class Careful:
    """Marks a Secret that mostly is none (a request's body, a certificate): no warning when it stands in the YAML."""


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = timedelta(days=3660)

_SIZE = re.compile(r"(\d{1,15})(?: ?(B|kB|KB|KiB|MB|MiB|GB|GiB))?", re.ASCII)
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9, "GiB": 1 << 30}


def parse_duration(value: object) -> object:
    """Return the span of "90s", "5m", "1h30m", "7d" (Prometheus' form), at most ten years; a timedelta stays one.

    Raises ValueError for anything else; a number without a unit is refused, but for 0.
    """
    if isinstance(value, timedelta):
        return value
    if value in (0, "0") and not isinstance(value, bool):
        return timedelta()
    parts = _DURATION.findall(value) if isinstance(value, str) else []
    if not parts or "".join(n + u for n, u in parts) != value:
        shown = f'"{value}"' if isinstance(value, str | int | float) else "this"
        raise ValueError(f"{shown} is not a duration: write a number and ms, s, m, h, d or w, as in 90s or 1h30m")
    seconds = sum(float(n) * _SECONDS[u] for n, u in parts)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f'"{value}" is too long: write ten years (3660d) at the most')
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """Return a span in the form that `parse_duration` reads."""
    left = round(span.total_seconds() * 1000)
    words = []
    for unit in ("d", "h", "m", "s", "ms"):
        amount, left = divmod(left, round(_SECONDS[unit] * 1000))
        words += [f"{amount}{unit}"] if amount else []
    return "".join(words) or "0s"


def parse_size(value: object) -> object:
    """Return the bytes of "1MiB", "500kB" or a plain number; raises ValueError for anything else."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found:
        return int(found[1]) * _BYTES[found[2] or "B"]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    shown = f'"{value}"' if isinstance(value, str | int | float) else "this"
    raise ValueError(f"{shown} is not a size: write a number and B, kB, KiB, MB, MiB, GB or GiB, as in 1MiB")


def web_address(text: str) -> str:
    """Return an http or https address without the slash at its end; raises ValueError for anything else."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        sound = None
    if not sound or "@" in parts.netloc or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("is not an address that the bridge can build on: write https://host or https://host/path")
    return text.rstrip("/")


def is_loopback(address: str) -> bool:
    """Return whether a web address points to the machine itself."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_UNITS = "number and ms, s, m, h, d or w, as in 90s or 1h30m"
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^(0|(\d+(\.\d+)?(ms|s|m|h|d|w))+)$", "description": _UNITS}),
]
"""A span of time, written as 90s, 5m, 1h30m, 7d."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+ ?(B|kB|KB|KiB|MB|MiB|GB|GiB)?$"}),
]
"""An amount of bytes, written as 1MiB, 500kB or a plain number."""

WebAddress = Annotated[str, AfterValidator(web_address)]
"""An http or https address to build others on: no user, query or fragment, no slash at its end."""
