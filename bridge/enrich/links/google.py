"""Google Cloud: traces in Cloud Trace, logs in Cloud Logging."""

from __future__ import annotations

from typing import Annotated, Literal

from bridge.enrich.links.encoding import percent
from bridge.enrich.links.language import GCP_FILTER, PLAIN
from bridge.enrich.links.options import LinkOptions, Name, project
from bridge.enrich.links.problem import Problem, iso
from bridge.enrich.links.template import Template, Written

CONSOLE = "https://console.cloud.google.com"
LOGGING_QUERY = (
    '{% if trace_id %}trace="projects/{{ project }}/traces/{{ trace_id }}"{% else %}'
    'resource.labels.service_name="{{ service }}" OR resource.labels.container_name="{{ service }}"{% endif %}'
)


class _Console(LinkOptions):
    project: Name = Template("{{ labels.project_id }}", PLAIN)
    """Id of the Google Cloud project; without it the incident's label `project_id`."""

    def known_project(self, problem: Problem) -> str:
        """Return the project's id, percent-encoded by its very form, or nothing."""
        return project(self.project.render(problem)) or ""


class GcpTrace(_Console):
    """A trace in Google Cloud Trace."""

    kind: Literal["gcp_trace"]

    def build(self, problem: Problem) -> str | None:
        home = self.known_project(problem)
        if not home or not problem.trace_id:
            return None
        return f"{CONSOLE}/traces/explorer;traceId={problem.trace_id}?project={percent(home)}"


class GcpLogging(_Console):
    """Logs in Google Cloud Logging; without a query of your own: of the trace, or of the service or container.

    The query's template knows `project` beside the incident's values.
    """

    kind: Literal["gcp_logging"]
    query: Annotated[Template, Written(GCP_FILTER, ("project",))] = Template(LOGGING_QUERY, GCP_FILTER, "project")

    def build(self, problem: Problem) -> str | None:
        home = self.known_project(problem)
        query = self.query.render(problem, project=home) if home else None
        if not query:
            return None
        window = f"startTime={iso(problem.start)};endTime={iso(problem.end)}"
        return f"{CONSOLE}/logs/query;query={percent(query)};{window}?project={percent(home)}"
