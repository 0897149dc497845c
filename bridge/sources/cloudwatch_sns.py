"""A CloudWatch alarm as CloudWatch itself tells it through SNS: JSON inside the message.

Facts: CloudWatch User Guide, "Using Amazon CloudWatch alarms"; the shapes of metric, metric math, percentile,
anomaly and composite alarms are those of aws-lambda-go's test data and of messages seen in public.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from bridge.domain.words import duration
from bridge.sources.cloudwatch_alarm import (
    NULL,
    Alarm,
    Metric,
    Seconds,
    State,
    identify,
    lenient,
    moment,
    number,
    pairs,
    read,
    statistic,
)
from bridge.sources.cloudwatch_query import queries

_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": "≥",
    "GreaterThanThreshold": ">",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "≤",
    "LessThanLowerOrGreaterThanUpperThreshold": "outside the expected band",
    "LessThanLowerThreshold": "below the expected band",
    "GreaterThanUpperThreshold": "above the expected band",
}


class _SnsTrigger(msgspec.Struct, rename="pascal"):
    metric_name: str = ""
    namespace: str = ""
    dimensions: Any = None
    statistic: str | None = None
    extended_statistic: str | None = None
    period: Seconds | None = None
    evaluation_periods: int | None = None
    datapoints_to_alarm: int | None = None
    comparison_operator: str = ""
    threshold: float | None = None
    metrics: Any = None

    def watched(self) -> tuple[Metric, ...]:
        if self.metrics:
            return queries(self.metrics)
        if not self.metric_name:
            return ()
        only = Metric(
            namespace=self.namespace,
            name=self.metric_name,
            statistic=statistic(self.statistic, self.extended_statistic),
            period=self.period,
            dimensions=pairs(self.dimensions),
        )
        return (only,)

    def condition(self) -> str:
        """Return "≥ 5 for 3 of 3 periods of 1 min"."""
        words = [_COMPARISONS.get(self.comparison_operator, self.comparison_operator)]
        if self.threshold is not None:
            words.append(number(self.threshold))
        if self.evaluation_periods:
            needed = self.datapoints_to_alarm or self.evaluation_periods
            plural = "" if self.evaluation_periods == 1 else "s"
            words.append(f"for {needed} of {self.evaluation_periods} period{plural}")
            words += [f"of {duration(timedelta(seconds=self.period))}"] if self.period else []
        return " ".join(word for word in words if word)


class _SnsChild(msgspec.Struct, rename="pascal"):
    arn: str


class _SnsAlarm(msgspec.Struct, rename="pascal"):
    alarm_name: str
    new_state_value: State
    state_change_time: str
    account: str = msgspec.field(name="AWSAccountId", default="")
    alarm_arn: str | None = None
    alarm_description: str | None = None
    new_state_reason: str | None = None
    alarm_rule: str | None = None
    trigger: msgspec.Raw = NULL
    triggering_children: msgspec.Raw = NULL
    alarm_tags: Any = None


_UNSAID = _SnsTrigger()


def from_sns(message: str, partition: str, region: str) -> Alarm:
    """Return the alarm in an SNS message; partition and region are the topic's. Raises Unparseable."""
    said = read(message, _SnsAlarm, "Message")
    trigger = lenient(said.trigger, _SnsTrigger, _UNSAID)
    children = lenient(said.triggering_children, list[_SnsChild], [])
    return Alarm(
        identity=identify(said.alarm_arn, partition, region, said.account, said.alarm_name),
        state=said.new_state_value,
        at=moment(said.state_change_time, "Message.StateChangeTime"),
        reason=said.new_state_reason or "",
        description=said.alarm_description or "",
        metrics=trigger.watched(),
        threshold=trigger.condition(),
        rule=said.alarm_rule or "",
        children=tuple(child.arn for child in children),
        tags=pairs(said.alarm_tags),
    )
