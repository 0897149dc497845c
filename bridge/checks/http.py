"""HTTP: one request to a target, and whether what comes back is what was expected."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from bridge.checks.body import Conditions
from bridge.checks.http_options import HttpOptions
from bridge.checks.looking import Glance, in_words, looked, within
from bridge.checks.status import statuses_in_words
from bridge.domain.observation import Observation
from bridge.domain.words import duration
from bridge.settings import Options


class Http:
    """A web address that has to answer as expected."""

    Options: ClassVar[type[Options]] = HttpOptions

    def __init__(self, name: str, options: HttpOptions, timeout: timedelta) -> None:
        from bridge.checks.visit import Visit  # here: an HTTP client is loaded only where there is such a check

        conditions = Conditions(options)
        self._visit = Visit(options, conditions)
        self.target = self._visit.target
        self._glance = Glance(timeout, _expected(options, conditions), options.slower_than, options.hidden())

    async def look(self, now: datetime, trace_id: str) -> Observation:
        """Return what came back, redirects followed."""
        return await looked(self._glance, now, partial(self._visit, now, trace_id), trace_id)


def _expected(options: HttpOptions, conditions: Conditions) -> str:
    lasting = options.expires_within
    return in_words(
        f"status {statuses_in_words(options.expected_statuses)}",
        *conditions.expected(),
        f"certificate valid for {duration(lasting)}" if lasting else "",
        within(options.slower_than),
    )
