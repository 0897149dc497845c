"""EC2 Auto Scaling: instances that could not be launched, terminated or detached, and instance refreshes.

Told by EventBridge, or by the group itself through SNS; a change told both ways counts once. Facts: EC2 Auto
Scaling User Guide, "Amazon EC2 Auto Scaling event reference"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html) and "Amazon SNS
notification options" (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-sns-notifications.html).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec

from bridge.domain.alert import Status
from bridge.ports import Ignored
from bridge.sources.aws_event import Account, Event, Name, Place, Reader, Statement, escaped
from bridge.sources.cloudwatch_alarm import NULL, lenient, moment, pairs, read

_PAST = {"launch": "launched", "terminate": "terminated", "detach": "detached"}
_SPOKEN = {f"autoscaling:EC2_INSTANCE_{word.upper()}": (word, True) for word in _PAST} | {
    f"autoscaling:EC2_INSTANCE_{word.upper()}_ERROR": (word, False) for word in _PAST
}
_REFRESHES = {
    "Failed": Status.FIRING,
    "Rollback Started": Status.FIRING,
    "Rollback Failed": Status.FIRING,
    "Succeeded": Status.RESOLVED,
    "Rollback Succeeded": Status.RESOLVED,
    "Cancelled": Status.RESOLVED,
}


class _Activity(msgspec.Struct, rename="pascal", kw_only=True):
    """One attempt to launch or terminate an instance, the same in both ways of telling it."""

    auto_scaling_group_name: Name
    activity_id: str = ""
    request_id: str = ""
    status_message: str | None = None
    description: str | None = None
    cause: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    instance: str | None = msgspec.field(name="EC2InstanceId", default=None)
    details: msgspec.Raw = NULL


class _Spoken(_Activity, rename="pascal", kw_only=True):
    """The same as the group itself tells it through SNS."""

    time: Name
    account_id: Account


class _Refresh(msgspec.Struct, rename="pascal"):
    auto_scaling_group_name: Name
    instance_refresh_id: str = ""


def spoken(message: str, partition: str, region: str) -> Statement | Ignored:
    """Return what an Auto Scaling group says through SNS; partition and region are the topic's. Raises Unparseable."""
    said = read(message, _Marked, "Message")
    if said.event not in _SPOKEN:
        return Ignored(f"Auto Scaling message {said.event or said.lifecycle_transition!r} is no alert")
    told = read(message, _Spoken, "Message")
    place = Place(partition, region, told.account_id)
    word, well = _SPOKEN[said.event]
    return _activity(place, told, word, moment(told.end_time or told.time, "Message.EndTime"), well=well)


class _Marked(msgspec.Struct, rename="pascal"):
    event: str = ""
    lifecycle_transition: str = ""


def _attempt(event: Event, word: str, *, well: bool) -> Statement:
    said = read(event.detail, _Activity, "Message.detail")
    return _activity(event.place, said, word, event.at(said.end_time), well=well, number=event.id)


def _activity(place: Place, said: _Activity, word: str, at: datetime, *, well: bool, number: str = "") -> Statement:
    group, name = said.auto_scaling_group_name, f"EC2_INSTANCE_{word.upper()}{'' if well else '_ERROR'}"
    outcome = f"could be {_PAST[word]}" if well else f"could not be {_PAST[word]}"
    where = pairs(lenient(said.details, dict[str, object], {}))
    reason = said.status_message or said.description or said.cause or ""
    return Statement(
        place=place,
        kind="autoscaling",
        names=(group, word),
        id=("autoscaling", said.activity_id or said.request_id or number, name),
        status=Status.RESOLVED if well else Status.FIRING,
        at=at,
        title=f"{group}: an instance {outcome}",
        summary=f"an instance {outcome}" if well else reason,
        details="" if well else said.cause or "",
        service=group,
        url=_page(place, group, "activity"),
        labels={"aws_service": "autoscaling", "autoscaling_group": group, "event": name},
        facts={
            "Auto Scaling group": group,
            "Instance": said.instance or "",
            "Availability zone": where.get("Availability Zone", ""),
            "Subnet": where.get("Subnet ID", ""),
        },
    )


def _refresh(event: Event, outcome: str, status: Status) -> Statement:
    said = read(event.detail, _Refresh, "Message.detail")
    group = said.auto_scaling_group_name
    return Statement(
        place=event.place,
        kind="autoscaling",
        names=(group, "refresh"),
        id=(event.id,),
        status=status,
        at=event.at(),
        title=f"{group}: instance refresh {outcome.lower()}",
        summary=event.kind,
        service=group,
        url=_page(event.place, group, "instanceRefresh"),
        labels={"aws_service": "autoscaling", "autoscaling_group": group, "event": event.kind},
        facts={"Auto Scaling group": group, "Instance refresh": said.instance_refresh_id},
    )


def _page(place: Place, group: str, view: str) -> str:
    return place.console(f"ec2/home?region={place.region}#AutoScalingGroupDetails:id={escaped(group)};view={view}")


READERS: dict[str, Reader] = {}
for _word in _PAST:
    READERS[f"EC2 Instance {_word.capitalize()} Successful"] = partial(_attempt, word=_word, well=True)
    READERS[f"EC2 Instance {_word.capitalize()} Unsuccessful"] = partial(_attempt, word=_word, well=False)
for _outcome, _status in _REFRESHES.items():
    READERS[f"EC2 Auto Scaling Instance Refresh {_outcome}"] = partial(_refresh, outcome=_outcome, status=_status)
