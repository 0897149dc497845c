"""The metrics and expressions an alarm watches, in both spellings: SNS writes MetricStat, EventBridge metricStat."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.sources.cloudwatch_alarm import Metric, Seconds, pairs, statistic


class _Query(msgspec.Struct, rename=lambda name: name.replace("_", "")):
    id: str = ""
    namespace: str = ""
    name: str = ""
    """Of the metric, as EventBridge writes it; SNS writes MetricName."""
    metric_name: str = ""
    dimensions: Any = None
    period: Seconds | None = None
    stat: str | None = None
    expression: str | None = None
    label: str | None = None
    return_data: bool = True

    def metric(self) -> Metric:
        return Metric(
            id=self.id,
            namespace=self.namespace,
            name=self.name or self.metric_name,
            statistic=statistic(self.stat),
            period=self.period,
            dimensions=pairs(self.dimensions),
            expression=self.expression or "",
            label=self.label or "",
            returned=self.return_data,
        )


def queries(value: Any) -> tuple[Metric, ...]:
    """Return the metrics in a list of queries; none if one of them is in a shape nobody documented."""
    listed = value if isinstance(value, list) else []
    try:
        return tuple(query.metric() for query in msgspec.convert([_flat(item) for item in listed], list[_Query]))
    except msgspec.ValidationError:
        return ()


def _flat(query: Any) -> dict[str, Any]:
    """Return a query with what stands inside of it beside it: no two of the three levels share a name."""
    outer = _lower(query)
    stat = _lower(outer.get("metricstat"))
    return _lower(stat.get("metric")) | stat | outer


def _lower(value: Any) -> dict[str, Any]:
    return {str(name).lower(): given for name, given in value.items()} if isinstance(value, dict) else {}
