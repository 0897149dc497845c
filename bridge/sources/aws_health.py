"""AWS Health: what AWS says of its own services, and of what you run on them.

Facts: AWS Health User Guide, "Reference: AWS Health events Amazon EventBridge schema"
(https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html).
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from bridge.domain.alert import Severity, Status
from bridge.sources.aws_event import Account, Event, Name, Place, Region, Statement, escaped
from bridge.sources.cloudwatch_alarm import NULL, lenient, read

_SEVERITY = {
    "issue": None,
    "investigation": Severity.WARNING,
    "scheduledChange": Severity.INFO,
    "accountNotification": Severity.INFO,
}
_ENTITIES = 20


class _Text(msgspec.Struct, rename="camel"):
    latest_description: str = ""
    language: str = ""


class _Entity(msgspec.Struct, rename="camel"):
    entity_value: str = ""


class _Health(msgspec.Struct, rename="camel"):
    event_arn: Name
    service: str = "AWS"
    event_type_code: str = ""
    event_type_category: str = ""
    status_code: str = "open"
    communication_id: str = ""
    last_updated_time: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    event_region: msgspec.Raw = NULL
    affected_account: msgspec.Raw = NULL
    event_description: msgspec.Raw = NULL
    affected_entities: msgspec.Raw = NULL


def health(event: Event) -> Statement:
    """Return an AWS Health event; `closed` resolves what the same event opened. Raises Unparseable.

    AWS sends an event to its region and to a second one, in pages if much is affected: all of them are one
    statement, by `communicationId`.
    """
    said = read(event.detail, _Health, "Message.detail")
    # The envelope's region and account are where the event was delivered, not what it is about.
    account = lenient(said.affected_account, Account, event.place.account)
    place = Place(event.place.partition, lenient(said.event_region, Region, event.place.region), account)
    code = said.event_type_code or "event"
    text = _description(lenient(said.event_description, list[_Text], []))
    return Statement(
        place=place,
        kind="health",
        names=(said.event_arn,),
        id=("health", said.event_arn, account, said.communication_id or event.id, said.status_code),
        status=Status.RESOLVED if said.status_code == "closed" else Status.FIRING,
        severity=_SEVERITY.get(said.event_type_category),
        at=_moment(event, said),
        title=f"AWS {said.service} in {place.region}: {code}",
        summary=text,
        service=said.service,
        url=_page(event.place.partition, said.event_arn),
        labels={
            "aws_service": said.service.lower(),
            "category": said.event_type_category,
            "event": said.event_type_code,
        },
        facts=_facts(said),
    )


def _moment(event: Event, said: _Health) -> datetime:
    """Return when this was said: Health writes times as mail does; the event's own time where it is none."""
    try:
        at = parsedate_to_datetime(said.last_updated_time or "")
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return event.at()


def _description(texts: list[_Text]) -> str:
    english = [text for text in texts if text.language.startswith("en")]
    return next((text.latest_description.strip() for text in english or texts), "")


def _facts(said: _Health) -> dict[str, str]:
    entities = [entity.entity_value for entity in lenient(said.affected_entities, list[_Entity], [])]
    more = len(entities) - _ENTITIES
    return {
        "Category": said.event_type_category,
        "Affected": ", ".join(entities[:_ENTITIES]) + (f" and {more} more" if more > 0 else ""),
        "Starts": said.start_time or "",
        "Ends": said.end_time or "",
    }


def _page(partition: str, arn: str) -> str:
    if partition != "aws":
        return ""
    return f"https://health.aws.amazon.com/health/home#/account/event-log?eventID={escaped(arn)}&eventTab=details"
