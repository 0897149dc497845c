"""Which EventBridge events are read, and by what: one line per detail-type."""

from __future__ import annotations

from bridge.domain.words import clip
from bridge.ports import Ignored
from bridge.sources import aws_autoscaling, aws_synthetics
from bridge.sources.aws_ecs import task
from bridge.sources.aws_ecs_rollout import rollout
from bridge.sources.aws_event import Reader, Statement, read_event
from bridge.sources.aws_health import health
from bridge.sources.cloudwatch_event import deleted

READERS: dict[str, Reader] = {
    "ECS Task State Change": task,
    "ECS Service Action": rollout,
    "ECS Deployment State Change": rollout,
    "AWS Health Event": health,
    "AWS Health Abuse Event": health,
    "CloudWatch Alarm Configuration Change": deleted,
    **aws_autoscaling.READERS,
    **aws_synthetics.READERS,
}


def told(kind: str, message: str, partition: str) -> Statement | Ignored:
    """Return what an event of that detail-type says; the partition is the topic's. Raises Unparseable."""
    reader = READERS.get(kind)
    if reader is None:
        return Ignored(
            f"EventBridge event {clip(kind, 200)!r} is not read: docs/sources/aws-health.md names those that are"
        )
    return reader(read_event(message, partition))
