"""Links to the console's pages of what an alarm watches: there it says which targets are unhealthy, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.domain.alert import Link
from bridge.sources.aws_event import Place, escaped

_TARGETS = re.compile(r"targetgroup/[\w-]{1,32}/[0-9a-f]{1,32}", re.ASCII)
_BALANCER = re.compile(r"(app|net|gwy)/[\w-]{1,32}/[0-9a-f]{1,32}", re.ASCII)
_CHECK = re.compile(r"[0-9a-f-]{1,64}", re.ASCII)


def resources(place: Place, dimensions: Mapping[str, str]) -> tuple[Link, ...]:
    """Return links to the target group, load balancer and Route 53 health check that the dimensions name.

    The dimensions of load balancers are the ends of their ARNs:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html.
    """
    targets, balancer = dimensions.get("TargetGroup", ""), dimensions.get("LoadBalancer", "")
    pages = {"Health check": _check(place, dimensions.get("HealthCheckId", ""))}
    if _TARGETS.fullmatch(targets):
        pages["Target group"] = _balancing(place, "TargetGroup:targetGroupArn", targets)
    if _BALANCER.fullmatch(balancer):
        pages["Load balancer"] = _balancing(place, "LoadBalancer:loadBalancerArn", f"loadbalancer/{balancer}")
    return tuple(Link(label, url) for label, url in pages.items() if url)


def _balancing(place: Place, page: str, name: str) -> str:
    arn = f"arn:{place.partition}:elasticloadbalancing:{place.region}:{place.account}:{name}"
    return place.console(f"ec2/home?region={place.region}#{page}={escaped(arn)}")


def _check(place: Place, number: str) -> str:
    return place.console(f"route53/healthchecks/home#/details/{number}") if _CHECK.fullmatch(number) else ""
