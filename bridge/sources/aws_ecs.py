"""Tasks of Amazon ECS that stop: "ECS Task State Change".

Facts: ECS Developer Guide, "Amazon ECS task state change events"
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html), the stop codes and reasons
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html.
"""

from __future__ import annotations

import msgspec

from bridge.domain.alert import Status
from bridge.ports import Ignored
from bridge.sources.aws_event import Event, Name, Place, Statement, escaped, last
from bridge.sources.cloudwatch_alarm import NULL, lenient, read

PROBLEM = "ecs"
"""A service, or the tasks of one group that run without one, have one problem at a time."""
_TOLD_TO_STOP = 143
"""128 + SIGTERM: how the other containers of a task end when ECS stops them because one has ended."""


class _Container(msgspec.Struct, rename="camel"):
    name: str = ""
    exit_code: int | None = None
    reason: str | None = None
    image: str | None = None

    @property
    def text(self) -> str:
        """How the container ended, as in "app: exit code 137, OutOfMemoryError: …"."""
        code = "" if self.exit_code is None else f"exit code {self.exit_code}"
        said = ", ".join(word for word in (code, self.reason) if word)
        return f"{self.name}: {said}" if said else ""


class _Task(msgspec.Struct, rename="camel"):
    task_arn: Name
    cluster_arn: Name
    last_status: str
    group: str = ""
    task_definition_arn: str = ""
    stop_code: str | None = None
    stopped_reason: str | None = None
    stopping_at: str | None = None
    stopped_at: str | None = None
    updated_at: str | None = None
    availability_zone: str | None = None
    launch_type: str | None = None
    containers: msgspec.Raw = NULL

    @property
    def definition(self) -> str:
        return last(self.task_definition_arn)

    @property
    def owner(self) -> str:
        """What the task is one of: "service:<name>", or "family:<name>" unless it was run in a group of its own."""
        return self.group or f"family:{self.definition.split(':')[0]}"

    @property
    def of_service(self) -> bool:
        return self.owner.startswith("service:")

    @property
    def name(self) -> str:
        kind, _, name = self.owner.partition(":")
        return name if kind in ("service", "family") and name else self.owner


def task(event: Event) -> Statement | Ignored:
    """Return that a task stopped by itself, failed its health checks or could not start; raises Unparseable.

    What stops as it was meant to is ignored. A task of no service that ends well resolves what one before it
    opened.
    """
    said = read(event.detail, _Task, "Message.detail")
    if said.last_status != "STOPPED":
        return Ignored(f"ECS task of {said.name!r} is {said.last_status}: only a stopped one may be a problem")
    containers = lenient(said.containers, list[_Container], [])
    reason = said.stopped_reason or ""
    words = _problem(said.stop_code or "", reason, containers)
    if words:
        return _statement(event, said, containers, Status.FIRING, words)
    if said.stop_code == "EssentialContainerExited" and not said.of_service:
        return _statement(event, said, containers, Status.RESOLVED, "a task ended well")
    return Ignored(f"ECS task of {said.name!r} stopped as meant: {said.stop_code or 'no stop code'}, {reason}")


def _problem(code: str, reason: str, containers: list[_Container]) -> str:
    """Return what is wrong with a task that stopped, or nothing."""
    if code == "TaskFailedToStart":
        return "a task failed to start"
    if code == "EssentialContainerExited":
        return "a task stopped by itself" if _failed(containers) else ""
    return "a task failed its health checks" if "health check" in reason.lower() else ""


def _failed(containers: list[_Container]) -> bool:
    """Return whether a container ended badly; events do not tell which container was the essential one."""
    codes = {c.exit_code for c in containers if c.exit_code is not None}
    own = codes - {_TOLD_TO_STOP} or codes
    return own != {0}


def _statement(event: Event, said: _Task, containers: list[_Container], status: Status, words: str) -> Statement:
    cluster, number = last(said.cluster_arn), last(said.task_arn)
    endings = [container.text for container in containers if container.text]
    return Statement(
        place=event.place,
        kind=PROBLEM,
        names=(cluster, said.owner),
        id=("ecs task", said.task_arn, status),  # ECS tells a stopped task again at every change of its network
        status=status,
        at=event.at(said.stopping_at, said.stopped_at, said.updated_at),
        title=f"{said.name}: {words}",
        summary=". ".join(word for word in (said.stopped_reason, "; ".join(endings)) if word),
        service=said.name,
        url=page(event.place, cluster, said.name if said.of_service else "", number),
        labels={"aws_service": "ecs", "cluster": cluster, "event": said.stop_code or ""},
        facts={
            "Cluster": cluster,
            "Task": number,
            "Task definition": said.definition,
            "Containers": "; ".join(endings),
            "Image": ", ".join(container.image for container in containers if container.image),
            "Availability zone": said.availability_zone or "",
            "Launch type": said.launch_type or "",
        },
    )


def page(place: Place, cluster: str, service: str, task_id: str = "") -> str:
    """Return the console's page of a task, or of a service."""
    region = f"region={place.region}"
    if task_id:
        return place.console(f"ecs/v2/clusters/{escaped(cluster)}/tasks/{escaped(task_id)}?{region}")
    return place.console(f"ecs/v2/clusters/{escaped(cluster)}/services/{escaped(service)}/health?{region}")
