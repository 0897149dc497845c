"""Grafana Explore (version 10 and later): traces in Tempo, logs in Loki."""

from __future__ import annotations

from typing import Annotated, Literal

from bridge.enrich.links.encoding import Tree, compact_json, percent
from bridge.enrich.links.language import LOGQL
from bridge.enrich.links.options import BaseUrl, LinkOptions
from bridge.enrich.links.problem import Problem, milliseconds
from bridge.enrich.links.template import Template, Written

LOKI_QUERY = '{service_name="{{ service }}"}{% if trace_id %} |= "{{ trace_id }}"{% endif %}'


class _Explore(LinkOptions):
    """What a page of Explore needs: `datasource` is the uid that its address in Grafana ends with."""

    url: BaseUrl
    datasource: str
    org_id: int = 1


class Tempo(_Explore):
    """A trace in Grafana Tempo."""

    kind: Literal["tempo"]

    def build(self, problem: Problem) -> str | None:
        if not problem.trace_id:
            return None
        return _explore(self, "tempo", {"queryType": "traceql", "query": problem.trace_id}, problem)


class Loki(_Explore):
    """Logs in Grafana Loki; without a query of your own: of the service, and of the trace if there is one."""

    kind: Literal["loki"]
    query: Annotated[Template, Written(LOGQL)] = Template(LOKI_QUERY, LOGQL)

    def build(self, problem: Problem) -> str | None:
        expr = self.query.render(problem)
        if not expr:
            return None
        return _explore(self, "loki", {"editorMode": "code", "expr": expr, "queryType": "range"}, problem)


def _explore(options: _Explore, product: str, query: dict[str, str], problem: Problem) -> str:
    """Return the page; uid and times (milliseconds) have to be strings, or Grafana falls back to the last hour."""
    source = {"type": product, "uid": options.datasource}
    pane: Tree = {
        "datasource": options.datasource,
        "queries": [{"refId": "A", "datasource": source, **query}],
        "range": {"from": str(milliseconds(problem.start)), "to": str(milliseconds(problem.end))},
    }
    panes = percent(compact_json({"a": pane}))
    return f"{options.url}/explore?schemaVersion=1&panes={panes}&orgId={options.org_id}"
