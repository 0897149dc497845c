"""The world coming in: one file per source, one line here."""

from __future__ import annotations

from typing import Any, Protocol

from bridge.ports import Source
from bridge.settings import Options
from bridge.sources.alertmanager import Alertmanager
from bridge.sources.cloudwatch import CloudWatch
from bridge.sources.sentry import Sentry


class SourceKind(Protocol):
    """What a source's class is: `Kind(name, options)` with its `Options`."""

    Options: type[Options]

    def __call__(self, name: str, options: Any, /) -> Source: ...


SOURCES: dict[str, SourceKind] = {
    "sentry": Sentry,
    "alertmanager": Alertmanager,
    "cloudwatch": CloudWatch,
}
