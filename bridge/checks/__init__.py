"""Looking at targets: one file per kind of check, one line here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from bridge.checks.dns import Dns
from bridge.checks.http import Http
from bridge.checks.tcp import Tcp
from bridge.checks.tls import Tls
from bridge.ports import Check
from bridge.settings import Options


class CheckKind(Protocol):
    """What a check's class is: `Kind(name, options, timeout)` with its `Options`."""

    Options: type[Options]

    def __call__(self, name: str, options: Any, timeout: timedelta, /) -> Check: ...


CHECKS: dict[str, CheckKind] = {
    "http": Http,
    "tcp": Tcp,
    "dns": Dns,
    "tls": Tls,
}
