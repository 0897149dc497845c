"""Logs in Kibana's Discover, and in that of OpenSearch Dashboards."""

from __future__ import annotations

from typing import Annotated, Literal

from bridge.enrich.links.encoding import Tree, percent, rison
from bridge.enrich.links.language import KQL
from bridge.enrich.links.options import BaseUrl, LinkOptions
from bridge.enrich.links.problem import Problem, iso
from bridge.enrich.links.template import Template, Written

KIBANA_QUERY = '{% if trace_id %}trace.id : "{{ trace_id }}"{% else %}service.name : "{{ service }}"{% endif %}'


class Kibana(LinkOptions):
    """Logs in Discover; without a query of your own: of the trace, or of the service where there is none."""

    kind: Literal["kibana"]
    url: BaseUrl
    product: Literal["kibana", "opensearch"] = "kibana"
    index: str
    """Id of the data view (OpenSearch: index pattern), not its title."""
    space: str = ""
    """Kibana's space; the default one when empty."""
    columns: tuple[str, ...] = ("message",)
    time_field: str = "@timestamp"
    query: Annotated[Template, Written(KQL)] = Template(KIBANA_QUERY, KQL)

    def build(self, problem: Problem) -> str | None:
        query = self.query.render(problem)
        if not query:
            return None
        page = _kibana if self.product == "kibana" else _opensearch
        return self.url + page(self, _global(problem), {"language": "kuery", "query": query})


def _global(problem: Problem) -> Tree:
    return {
        "filters": (),
        "refreshInterval": {"pause": True, "value": 0},
        "time": {"from": iso(problem.start), "to": iso(problem.end)},
    }


def _kibana(options: Kibana, window: Tree, query: Tree) -> str:
    state: Tree = {
        "columns": options.columns,
        "filters": (),
        "index": options.index,
        "interval": "auto",
        "query": query,
        "sort": ((options.time_field, "desc"),),
    }
    space = f"/s/{percent(options.space)}" if options.space else ""
    return f"{space}/app/discover#/?_g={rison(window)}&_a={rison(state)}"


def _opensearch(options: Kibana, window: Tree, query: Tree) -> str:
    """Return the page of OpenSearch Dashboards 2, which keeps the query apart."""
    state: Tree = {
        "discover": {"columns": options.columns, "isDirty": False, "sort": ()},
        "metadata": {"indexPattern": options.index, "view": "discover"},
    }
    asked = {"filters": (), "query": query}
    return f"/app/data-explorer/discover#?_a={rison(state)}&_g={rison(window)}&_q={rison(asked)}"
