"""An instance declared unhealthy, so that its Auto Scaling group replaces it.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from bridge.domain.incident import Incident
from bridge.enrich.links.language import PLAIN
from bridge.enrich.links.template import Template, Written
from bridge.ports import Attempt, Finding
from bridge.recovery.aws import Aws, AwsOptions
from bridge.recovery.named import INSTANCE, held, named
from bridge.settings import Options

WHAT = "an id of an EC2 instance"


class AutoscalingOptions(AwsOptions):
    """What an operator sets for an action of this kind."""

    instance: Annotated[Template, Written(PLAIN), AfterValidator(held(INSTANCE, WHAT))] = Field(
        examples=["{{ labels.instance_id }}"]
    )
    """Its id, mostly from a label: {{ labels.instance_id }}."""
    respect_grace_period: bool = True
    """Leave an instance alone that its group's health check grace period still protects."""


class Autoscaling:
    """Has an Auto Scaling group replace one of its instances."""

    Options: ClassVar[type[Options]] = AutoscalingOptions

    def __init__(self, name: str, options: AutoscalingOptions) -> None:
        self._options = options
        self._aws = Aws(options)

    def target(self, incident: Incident) -> str:
        """Return the instance."""
        return f"instance {named(self._options.instance, incident, INSTANCE, WHAT)}"

    def plan(self, incident: Incident) -> str:
        """Return that it would be declared unhealthy."""
        return f"set {self.target(incident)} Unhealthy, so that its Auto Scaling group replaces it"

    def act(self, attempt: Attempt) -> str:
        """Declare it unhealthy; doing so twice is the same."""
        self._aws.call(
            "autoscaling",
            "set_instance_health",
            InstanceId=named(self._options.instance, attempt.incident, INSTANCE, WHAT),
            HealthStatus="Unhealthy",
            ShouldRespectGracePeriod=self._options.respect_grace_period,
        )
        return f"set {self.target(attempt.incident)} Unhealthy, so that its Auto Scaling group replaces it"

    def examine(self) -> Iterable[Finding]:
        """Check the credentials; whether they suffice can't be asked without doing it."""
        yield self._aws.who()
