"""A new deployment of an ECS service, which replaces its tasks one by one.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html (forceNewDeployment)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from bridge.domain.incident import Incident
from bridge.enrich.links.language import PLAIN
from bridge.enrich.links.template import Template, Written
from bridge.ports import Attempt, Finding, Level, Refused, Unsure
from bridge.recovery.aws import Aws, AwsOptions
from bridge.recovery.named import ECS, chosen, held, named
from bridge.settings import Options

CLUSTER, SERVICE = "a name of an ECS cluster", "a name of an ECS service"


class EcsOptions(AwsOptions):
    """What an operator sets for an action of this kind."""

    cluster: Annotated[Template, Written(PLAIN), AfterValidator(held(ECS, CLUSTER))] = Field(examples=["prod"])
    """Its name; may be a template: {{ labels.ClusterName }}."""
    service: Annotated[Template, Written(PLAIN), AfterValidator(held(ECS, SERVICE))] = Field(examples=["checkout"])
    """Its name; may be a template: {{ labels.ServiceName }}."""


class Ecs:
    """Has ECS deploy a service anew as it is defined."""

    Options: ClassVar[type[Options]] = EcsOptions

    def __init__(self, name: str, options: EcsOptions) -> None:
        self._options = options
        self._aws = Aws(options)

    def target(self, incident: Incident) -> str:
        """Return the service's cluster and name."""
        return f"ECS service {'/'.join(self._names(incident))}"

    def plan(self, incident: Incident) -> str:
        """Return that it would be deployed anew."""
        return f"begin a new deployment of {self.target(incident)}"

    def act(self, attempt: Attempt) -> str:
        """Ask for a new deployment."""
        cluster, service = self._names(attempt.incident)
        answer = self._aws.call("ecs", "update_service", cluster=cluster, service=service, forceNewDeployment=True)
        deployments = answer.get("service", {}).get("deployments", [])
        made = f" ({deployments[0].get('id', '')})" if deployments else ""
        return f"began a new deployment of {self.target(attempt.incident)}{made}"

    def examine(self) -> Iterable[Finding]:
        """Check the credentials, and that the service is there if the worker may look."""
        who = self._aws.who()
        yield who
        cluster, service = self._options.cluster, self._options.service
        if who.level is Level.OK and not (chosen(cluster) or chosen(service)):
            yield self._there(cluster.source, service.source)

    def _there(self, cluster: str, service: str) -> Finding:
        name = f"ECS service {cluster}/{service}"
        try:
            answer = self._aws.call("ecs", "describe_services", cluster=cluster, services=[service])
        except (Refused, Unsure) as problem:
            do = "if it is for want of ecs:DescribeServices, that is only needed for this look"
            return Finding(Level.WARN, f"can't see whether there is {name}: {problem}", do)
        if not answer.get("services"):
            return Finding(Level.FAIL, f"there is no {name}", "correct cluster, service or region")
        return Finding(Level.OK, f"there is {name}")

    def _names(self, incident: Incident) -> tuple[str, str]:
        options = self._options
        return named(options.cluster, incident, ECS, CLUSTER), named(options.service, incident, ECS, SERVICE)
