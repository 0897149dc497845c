"""The world going out: one file per sink, one line here."""

from __future__ import annotations

from typing import Any, Protocol

from bridge.ports import House, Sink
from bridge.settings import Options
from bridge.sinks.jira import Jira
from bridge.sinks.slack import Slack


class SinkKind(Protocol):
    """What a sink's class is: `Kind(name, options, house)` with its `Options`."""

    Options: type[Options]

    def __call__(self, name: str, options: Any, house: House, /) -> Sink: ...


def takes_back(kind: str, options: Options) -> bool:
    """Return whether a destination of a kind can take back what it was told, with its options."""
    able = getattr(SINKS[kind], "takes_back", None)
    return bool(able and able(options))


SINKS: dict[str, SinkKind] = {
    "slack": Slack,
    "jira": Jira,
}
