"""A CloudWatch alarm as EventBridge tells it: "CloudWatch Alarm State Change", and "… Configuration Change".

Facts: CloudWatch User Guide, "Alarm events and EventBridge".
"""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.domain.alert import Status
from bridge.ports import Ignored
from bridge.sources.aws_event import Event, Statement
from bridge.sources.cloudwatch_alarm import (
    NULL,
    Alarm,
    State,
    identify,
    lenient,
    moment,
    pairs,
    read,
)
from bridge.sources.cloudwatch_query import queries


class _ReasonChild(msgspec.Struct):
    arn: str


class _ReasonData(msgspec.Struct, rename="camel"):
    recent_datapoints: list[float] = []
    triggering_alarms: list[_ReasonChild] = []


class _EventState(msgspec.Struct, rename="camel"):
    value: State
    timestamp: str
    reason: str | None = None
    reason_data: str | None = None
    actions_suppressed_by: str | None = None
    actions_suppressed_reason: str | None = None


class _Configuration(msgspec.Struct, rename="camel"):
    description: str | None = None
    metrics: Any = None
    alarm_rule: str | None = None


class _Detail(msgspec.Struct, rename="camel"):
    alarm_name: str
    state: _EventState
    configuration: msgspec.Raw = NULL
    alarm_tags: Any = None


class _Event(msgspec.Struct):
    detail: _Detail
    account: str = ""
    region: str = ""
    resources: list[str] = []


def from_event(message: str, partition: str) -> Alarm:
    """Return the alarm in a "CloudWatch Alarm State Change" event of EventBridge. Raises Unparseable."""
    event = read(message, _Event, "Message")
    detail, state = event.detail, event.detail.state
    configuration = lenient(detail.configuration, _Configuration, _Configuration())
    data = lenient(state.reason_data or "null", _ReasonData, _ReasonData())
    arn = event.resources[0] if event.resources else None
    return Alarm(
        identity=identify(arn, partition, event.region, event.account, detail.alarm_name),
        state=state.value,
        at=moment(state.timestamp, "Message.detail.state.timestamp"),
        reason=state.reason or "",
        description=configuration.description or "",
        metrics=queries(configuration.metrics),
        rule=configuration.alarm_rule or "",
        children=tuple(child.arn for child in data.triggering_alarms),
        datapoints=tuple(data.recent_datapoints),
        tags=pairs(detail.alarm_tags),
        suppressed=state.actions_suppressed_reason or state.actions_suppressed_by or "",
    )


class _Changed(msgspec.Struct, rename="camel"):
    alarm_name: str
    operation: str = ""


def deleted(event: Event) -> Statement | Ignored:
    """Return that an alarm is over because it was deleted; no OK will ever come. Raises Unparseable."""
    said = read(event.detail, _Changed, "Message.detail")
    if said.operation != "delete":
        return Ignored(f"configuration of alarm {said.alarm_name!r} changed ({said.operation}): no change of its state")
    return Statement(
        place=event.place,
        kind="alarm",
        names=(said.alarm_name,),
        id=(event.id,),
        status=Status.RESOLVED,
        at=event.at(),
        title=said.alarm_name,
        summary="the alarm was deleted",
    )
