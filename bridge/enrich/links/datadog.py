"""Datadog: traces in APM, logs in the Log Explorer."""

from __future__ import annotations

from typing import Annotated, Literal

from bridge.enrich.links.encoding import percent
from bridge.enrich.links.language import DATADOG
from bridge.enrich.links.options import BaseUrl, LinkOptions
from bridge.enrich.links.problem import Problem, milliseconds
from bridge.enrich.links.template import Template, Written

DATADOG_QUERY = (
    '{% if trace_id %}@trace_id:"{{ trace_id }}"{% else %}'
    'service:"{{ service }}"{% if environment %} env:"{{ environment }}"{% endif %}{% endif %}'
)
_HALF = "0" * 16


class _Datadog(LinkOptions):
    url: BaseUrl = "https://app.datadoghq.com"
    """The web address you open Datadog at: us3.datadoghq.com, app.datadoghq.eu, ap1.datadoghq.com, …"""


class DatadogTrace(_Datadog):
    """A trace in Datadog APM; a trace id of 64 bits goes by its decimal form."""

    kind: Literal["datadog_trace"]

    def build(self, problem: Problem) -> str | None:
        if not problem.trace_id:
            return None
        short = problem.trace_id.startswith(_HALF)
        return f"{self.url}/apm/trace/{problem.datadog_trace_id if short else problem.trace_id}"


class DatadogLogs(_Datadog):
    """Logs in Datadog; without a query of your own: of the trace, or of the service and environment."""

    kind: Literal["datadog_logs"]
    query: Annotated[Template, Written(DATADOG)] = Template(DATADOG_QUERY, DATADOG)

    def build(self, problem: Problem) -> str | None:
        query = self.query.render(problem)
        if not query:
            return None
        window = f"from_ts={milliseconds(problem.start)}&to_ts={milliseconds(problem.end)}"
        return f"{self.url}/logs?query={percent(query)}&{window}&live=false"
