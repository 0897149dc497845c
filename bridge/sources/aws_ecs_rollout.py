"""What Amazon ECS says of a service as a whole: "ECS Service Action" and "ECS Deployment State Change".

Facts: ECS Developer Guide, "Amazon ECS service action events"
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html) and "Amazon ECS service
deployment state change events"
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html).
"""

from __future__ import annotations

import re

import msgspec

from bridge.domain.alert import Status
from bridge.ports import Ignored, Unparseable
from bridge.sources.aws_ecs import PROBLEM, page
from bridge.sources.aws_event import Event, Name, Statement, last
from bridge.sources.cloudwatch_alarm import read

_ARN = re.compile(r"arn:[^:]*:ecs:[^:]*:[^:]*:service/(?:(?P<cluster>[^/]+)/)?(?P<name>[^/]+)")
_STATUS = {
    "SERVICE_STEADY_STATE": Status.RESOLVED,
    "SERVICE_DEPLOYMENT_COMPLETED": Status.RESOLVED,
    "SERVICE_DEPLOYMENT_IN_PROGRESS": Status.NOTED,
}
_TROUBLE = ("WARN", "ERROR")
_WORDS = {
    "SERVICE_STEADY_STATE": "reached a steady state",
    "SERVICE_DEPLOYMENT_COMPLETED": "deployment completed",
    "SERVICE_DEPLOYMENT_IN_PROGRESS": "deployment in progress",
    "SERVICE_DEPLOYMENT_FAILED": "deployment failed",
    "SERVICE_TASK_START_IMPAIRED": "tasks do not start consistently",
    "SERVICE_TASK_PLACEMENT_FAILURE": "a task can't be placed",
    "SERVICE_TASK_CONFIGURATION_FAILURE": "a task can't be configured",
    "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED": "a daemon task violates its placement constraints",
    "SERVICE_DISCOVERY_INSTANCE_UNHEALTHY": "a task is unhealthy in service discovery",
    "SERVICE_DISCOVERY_OPERATION_THROTTLED": "service discovery is throttled",
    "VPC_LATTICE_TARGET_UNHEALTHY": "a target is unhealthy in VPC Lattice",
    "ECS_OPERATION_THROTTLED": "ECS is throttled",
}


class _Rollout(msgspec.Struct, rename="camel"):
    event_name: Name
    event_type: str = ""
    cluster_arn: str | None = None
    deployment_id: str | None = None
    reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


def rollout(event: Event) -> Statement | Ignored:
    """Return what became of a service or its deployment; raises Unparseable.

    WARN and ERROR open the service's problem, a steady state or a completed deployment resolves it.
    """
    said = read(event.detail, _Rollout, "Message.detail")
    cluster, name = _which(event, said)
    status = Status.FIRING if said.event_type in _TROUBLE else _STATUS.get(said.event_name)
    if status is None:
        return Ignored(f"ECS says {said.event_name!r} ({said.event_type}) of {name!r}: no problem")
    words = _WORDS.get(said.event_name, said.event_name)
    deployment = said.deployment_id or ""
    told = said.reason or f"{words} {deployment}".strip()
    return Statement(
        place=event.place,
        kind=PROBLEM,
        names=(cluster, f"service:{name}"),
        id=(event.id,),
        status=status,
        at=event.at(said.updated_at, said.created_at),
        title=f"{name}: {words}",
        summary=f"{told} ({said.event_name})",
        service=name,
        url=page(event.place, cluster, name),
        labels={"aws_service": "ecs", "cluster": cluster, "event": said.event_name},
        facts={"Cluster": cluster, "Deployment": deployment},
    )


def _which(event: Event, said: _Rollout) -> tuple[str, str]:
    """Return cluster and service; in an ARN of the old short form there is no cluster."""
    match = next((found for found in map(_ARN.fullmatch, event.resources) if found), None)
    if match is None:
        raise Unparseable("Message.resources names no ECS service: it can't be told which problem this is about")
    return match["cluster"] or last(said.cluster_arn or ""), match["name"]
