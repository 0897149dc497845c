"""Links from an incident to its trace and its logs: one small builder per system."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bridge.domain.alert import Link
from bridge.domain.incident import Incident
from bridge.enrich.links.address import Url
from bridge.enrich.links.aws import CloudWatchInsights, CloudWatchLogs, XRay
from bridge.enrich.links.datadog import DatadogLogs, DatadogTrace
from bridge.enrich.links.discover import Kibana
from bridge.enrich.links.google import GcpLogging, GcpTrace
from bridge.enrich.links.grafana import Loki, Tempo
from bridge.enrich.links.options import LinkOptions
from bridge.enrich.links.problem import Problem
from bridge.enrich.links.traces import Jaeger, KibanaApm, SentryTrace, Zipkin

__all__ = ["LINKS", "LinkOptions", "Links", "Problem"]

LINKS: dict[str, type[LinkOptions]] = {
    "jaeger": Jaeger,
    "zipkin": Zipkin,
    "tempo": Tempo,
    "xray": XRay,
    "gcp_trace": GcpTrace,
    "datadog_trace": DatadogTrace,
    "kibana_apm": KibanaApm,
    "sentry_trace": SentryTrace,
    "loki": Loki,
    "kibana": Kibana,
    "cloudwatch_insights": CloudWatchInsights,
    "cloudwatch_logs": CloudWatchLogs,
    "gcp_logging": GcpLogging,
    "datadog_logs": DatadogLogs,
    "url": Url,
}
"""Kinds of links by their name in the config; the class is both the options and the builder."""

LONGEST_URL = 8000
"""Characters of an address; a longer one is not opened by every server and proxy on the way."""


class Links:
    """Builds the configured links of an incident, in the config's order.

    `before` and `after` widen the window around the problem (see `problem.window`). Safe to call from threads.
    """

    def __init__(self, options: Sequence[LinkOptions], before: timedelta, after: timedelta) -> None:
        self._options = tuple(options)
        self._before = before
        self._after = after

    def build(self, incident: Incident, now: datetime) -> tuple[Link, ...]:
        """Return the links of which everything they need is known at `now`; raises nothing over an incident."""
        try:
            problem = Problem.of(incident, self._before, self._after, now)
        except OverflowError:  # a sender's date at the very edge of time, such as year 1
            return ()
        built = ((options.label, options.build(problem)) for options in self._options)
        return tuple(Link(label, url) for label, url in built if url and len(url) <= LONGEST_URL)
