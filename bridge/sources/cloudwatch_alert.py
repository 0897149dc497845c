"""What an alarm's change of state says in the bridge's words: pure, the same for every way it came."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from bridge.domain.alert import Alert, Link, Severity, Status, event_id, fingerprint
from bridge.domain.words import clip
from bridge.sources.aws_event import Place, escaped
from bridge.sources.aws_resources import resources
from bridge.sources.cloudwatch_alarm import Alarm, Identity, number

SERVICE_DIMENSIONS = (
    "ServiceName",
    "FunctionName",
    "TargetGroup",
    "DBInstanceIdentifier",
    "QueueName",
    "TableName",
    "ApiName",
    "LoadBalancer",
    "LoadBalancerName",
    "ClusterName",
    "AutoScalingGroupName",
    "CanaryName",
    "HealthCheckId",
)
"""Which dimension names the service when no tag does, first match first."""
_GLOBAL = {"AWS/Route53": "Route 53", "AWS/CloudFront": "CloudFront"}
CHILDREN = 10
"""Children that are named when a composite alarm fires; all of them are in the fact Triggered by."""
_CHILD_FIRES = re.compile(r"arn:[^\n]{1,2000}? transitioned to ALARM\b")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RUNBOOK = re.compile(r"\brunbook:?\s*(https?://[^\s<>\"|]+)", re.I)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


def alert(source: str, alarm: Alarm, severity: Severity) -> Alert:
    """Return the statement an alarm makes; `severity` counts where no tag `severity` says otherwise.

    Neither fingerprint nor event id depends on whether SNS or EventBridge told it.
    """
    identity = alarm.identity
    key = (identity.partition, identity.account, identity.region, identity.name)
    tags = {name.lower(): value for name, value in alarm.tags.items()}
    return Alert(
        source=source,
        fingerprint=fingerprint(source, "alarm", *key),
        event_id=event_id(*key, alarm.state, str((alarm.at - _EPOCH) // timedelta(milliseconds=1))),
        status=Status.RESOLVED if alarm.state == "OK" else Status.FIRING,
        severity=_severity(alarm, tags, severity),
        at=alarm.at,
        title=identity.name,
        summary=_summary(alarm),
        details=_details(alarm),
        service=_service(alarm, tags),
        environment=next((tags[word] for word in ("environment", "env", "stage") if word in tags), ""),
        url=console(identity),
        labels=_labels(alarm),
        facts=_facts(alarm),
        links=(*_runbook(alarm), *resources(_place(identity), alarm.dimensions)),
    )


def console(identity: Identity) -> str:
    """Return the alarm's page in the AWS console; empty in a partition whose console isn't known."""
    return _place(identity).console(f"cloudwatch/home?region={identity.region}#alarmsV2:alarm/{escaped(identity.name)}")


def _place(identity: Identity) -> Place:
    return Place(identity.partition, identity.region, identity.account)


def _runbook(alarm: Alarm) -> list[Link]:
    return [Link("Runbook", url.rstrip(".,;:)")) for url in _RUNBOOK.findall(alarm.description)[:1]]


@lru_cache(1000)  # the names of dimensions and tags are few
def snake(name: str) -> str:
    """Return a dimension's or tag's name as a label is written: DBInstanceIdentifier → db_instance_identifier."""
    return _WORD.sub("_", name).strip("_").lower()


def _summary(alarm: Alarm) -> str:
    """Return why the alarm changed, with names where a composite alarm's reason has the ARNs of its children."""
    reason = alarm.reason
    if alarm.children and _CHILD_FIRES.match(reason):
        names = ", ".join(map(_name, alarm.children[:CHILDREN]))
        more = len(alarm.children) - CHILDREN
        return f"{names}{f' and {more} more' if more > 0 else ''} went into ALARM"
    for arn in sorted(alarm.children, key=len, reverse=True):
        reason = reason.replace(arn, _name(arn))
    return f"There is no data. {reason}".strip() if alarm.state == "INSUFFICIENT_DATA" else reason


def _name(arn: str) -> str:
    return arn.split(":", 6)[-1]


def _severity(alarm: Alarm, tags: dict[str, str], default: Severity) -> Severity:
    if alarm.state == "INSUFFICIENT_DATA":
        return Severity.WARNING
    return Severity.from_word(tags.get("severity", ""), default)


def _service(alarm: Alarm, tags: dict[str, str]) -> str:
    if tags.get("service"):
        return tags["service"]
    dimensions = alarm.dimensions
    named = next((dimensions[name] for name in SERVICE_DIMENSIONS if dimensions.get(name)), "")
    if named.startswith(("targetgroup/", "app/", "net/", "gwy/")):  # of load balancers: kind/name/id
        return named.split("/")[1]
    return named or alarm.namespace


def _labels(alarm: Alarm) -> dict[str, str]:
    shown = alarm.shown
    labels = {
        "alarm": alarm.identity.name,
        "account": alarm.identity.account,
        "region": alarm.identity.region,
        "alarm_kind": alarm.kind,
        "namespace": alarm.namespace,
        "metric": shown.name or shown.label,
        "statistic": shown.statistic,
    }
    labels |= {f"dimension_{snake(name)}": value for name, value in alarm.dimensions.items()}
    labels |= {f"tag_{snake(name)}": value for name, value in alarm.tags.items()}
    return {name: value for name, value in labels.items() if value}


def _facts(alarm: Alarm) -> dict[str, str]:
    facts = {
        "Region": _region(alarm),
        "Account": alarm.identity.account,
        "Metric": alarm.shown.text,
        "Dimensions": ", ".join(f"{name}={value}" for name, value in alarm.dimensions.items()),
        "Threshold": alarm.threshold,
        "Alarm rule": clip(alarm.rule, 1000),
        "Triggered by": ", ".join(map(_name, alarm.children)),
    }
    return {name: value for name, value in facts.items() if value}


def _region(alarm: Alarm) -> str:
    """Return the region as a person reads it: what AWS runs globally has its metrics in one region."""
    region, system = alarm.identity.region, _GLOBAL.get(alarm.namespace)
    return f"{region} ({system} is global)" if system else region


def _details(alarm: Alarm) -> str:
    """Return the alarm's description, then what its expressions are made of, then the newest datapoints."""
    lines = [alarm.description]
    if len(alarm.metrics) > 1:
        lines += [f"{metric.id}: {metric.text}" for metric in alarm.metrics]
    if alarm.datapoints:
        lines.append("Datapoints: " + ", ".join(map(number, alarm.datapoints)))
    return "\n".join(line for line in lines if line)
