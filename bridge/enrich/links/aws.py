"""The CloudWatch console: traces in X-Ray, Logs Insights, log groups and streams."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from bridge.enrich.links.encoding import Tree, dollar, jsurl
from bridge.enrich.links.language import FILTER_PATTERN, INSIGHTS, PLAIN
from bridge.enrich.links.options import LinkOptions, Name, region
from bridge.enrich.links.problem import Problem, iso, milliseconds
from bridge.enrich.links.template import Template, Written

INSIGHTS_QUERY = (
    "fields @timestamp, @message\n"
    '{% if trace_id %}| filter @message like "{{ trace_id }}" or @message like "{{ xray_trace_id }}"\n{% endif %}'
    "| sort @timestamp desc\n| limit 200"
)
FILTER = '{% if trace_id %}"{{ trace_id }}"{% endif %}'

_GROUP = re.compile(r"[A-Za-z0-9_./#:-]{1,600}")
"""A log group's name has no other characters; an ARN adds the colon."""
_STREAM = re.compile(r"[^:*]{1,512}")


class _Console(LinkOptions):
    region: Name = Template("{{ labels.region }}", PLAIN)
    """The AWS region; without it the incident's label `region`."""

    def page(self, problem: Problem, fragment: str | None) -> str | None:
        """Return the address of a page of the console, in the partition that the region is in."""
        place = region(self.region.render(problem))
        if not place or not fragment:
            return None
        return f"https://{place}.{_console(place)}/cloudwatch/home?region={place}#{fragment}"


def _console(place: str) -> str:
    if place.startswith("cn-"):
        return "console.amazonaws.cn"
    return "console.amazonaws-us-gov.com" if place.startswith("us-gov-") else "console.aws.amazon.com"


class XRay(_Console):
    """A trace in AWS X-Ray; for trace ids that X-Ray takes (made by its SDK, or by OpenTelemetry for X-Ray)."""

    kind: Literal["xray"]

    def build(self, problem: Problem) -> str | None:
        return self.page(problem, problem.trace_id and f"xray:traces/{problem.xray_trace_id}")


class CloudWatchInsights(_Console):
    """A query in CloudWatch Logs Insights over some log groups (names, or ARNs of other accounts).

    Without a query of your own: what holds the trace id, or the newest 200 lines where there is none.
    """

    kind: Literal["cloudwatch_insights"]
    log_groups: tuple[Name, ...] = Field(min_length=1, max_length=50)
    query: Annotated[Template, Written(INSIGHTS)] = Template(INSIGHTS_QUERY, INSIGHTS)

    def build(self, problem: Problem) -> str | None:
        groups = [_group(group, problem) for group in self.log_groups]
        query = self.query.render(problem)
        if not query or not all(groups):
            return None
        asked: Tree = {
            "end": iso(problem.end),
            "start": iso(problem.start),
            "timeType": "ABSOLUTE",
            "tz": "UTC",
            "editorString": query,
            "isLiveTail": False,
            "source": groups,
        }
        return self.page(problem, f"logsV2:logs-insights$3FqueryDetail$3D{jsurl(asked)}")


class CloudWatchLogs(_Console):
    """The lines of a log group, or of one of its streams, in the window and passing a filter pattern.

    Without a filter of your own: what holds the trace id, or everything where there is none.
    """

    kind: Literal["cloudwatch_logs"]
    log_group: Name
    log_stream: Name | None = None
    filter: Annotated[Template, Written(FILTER_PATTERN)] | None = None

    def build(self, problem: Problem) -> str | None:
        group = _group(self.log_group, problem)
        stream = self.log_stream and self.log_stream.render(problem)
        pattern = self.filter.render(problem) if self.filter else _TRACE_FILTER.render(problem)
        if not group or (self.filter and not pattern) or (self.log_stream and not _STREAM.fullmatch(stream or "")):
            return None
        path = dollar(group) + "/log-events" + (f"/{dollar(stream)}" if stream else "")
        asked = [f"filterPattern$3D{dollar(pattern)}"] if pattern else []
        asked += [f"start$3D{milliseconds(problem.start)}", f"end$3D{milliseconds(problem.end)}"]
        return self.page(problem, f"logsV2:log-groups/log-group/{path}$3F{'$26'.join(asked)}")


_TRACE_FILTER = Template(FILTER, FILTER_PATTERN)


def _group(template: Template, problem: Problem) -> str | None:
    name = (template.render(problem) or "").removesuffix(":*")
    return name if _GROUP.fullmatch(name) else None
