"""What AWS systems tell through EventBridge: the envelope, and what is read of it in one form.

Facts: EventBridge User Guide, "AWS service event metadata"
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html). Events come at least once and
in any order (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-delivery-level.html), so that each
statement has an id and a time of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated
from urllib.parse import quote

import msgspec

from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint
from bridge.domain.words import clip
from bridge.ports import Ignored
from bridge.sources.cloudwatch_alarm import NULL, moment, read

Region = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,40}\Z")]
Account = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{12}\Z")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_TITLE, _SUMMARY, _FACT = 200, 1000, 1000


class Place(msgspec.Struct, frozen=True):
    """Where in AWS something is."""

    partition: str
    region: str
    account: str

    def console(self, path: str) -> str:
        """Return a page of this region's console; empty in a partition whose console isn't known."""
        host = _CONSOLES.get(self.partition)
        return f"https://{self.region}.{host}/{path}" if host else ""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What an AWS system says, before the source of the config that heard it is known."""

    place: Place
    kind: str
    """What sort of thing has the problem; with `names` and the place it says which problem."""
    names: tuple[str, ...]
    id: tuple[str, ...]
    """Which statement; the same told twice, or told both ways, has the same."""
    status: Status
    at: datetime
    title: str
    severity: Severity | None = None
    """None: the option `severity` of the source says."""
    summary: str = ""
    details: str = ""
    service: str = ""
    url: str = ""
    labels: dict[str, str] = {}
    facts: dict[str, str] = {}

    def alert(self, source: str, severity: Severity) -> Alert:
        """Return the alert this is at a source of that name, whose option says that severity."""
        place = self.place
        where = (place.partition, place.account, place.region)
        return Alert(
            source=source,
            fingerprint=fingerprint(source, self.kind, *where, *self.names),
            event_id=event_id(*self.id),
            status=self.status,
            severity=self.severity or severity,
            at=self.at,
            title=clip(" ".join(self.title.split()), _TITLE),
            summary=clip(self.summary, _SUMMARY),
            details=clip(self.details, 4 * _SUMMARY),
            service=clip(self.service, _TITLE),
            url=self.url,
            labels=_present({"account": place.account, "region": place.region} | self.labels),
            facts=_present({"Region": place.region, "Account": place.account} | self.facts),
        )


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of an AWS system."""

    id: str
    kind: str
    """The detail-type."""
    place: Place
    time: str
    resources: tuple[str, ...]
    detail: msgspec.Raw

    def at(self, *times: str | None) -> datetime:
        """Return the first of the times given, else the event's own. Raises Unparseable."""
        return moment(next((time for time in times if time), self.time), "Message.detail")


class _Envelope(msgspec.Struct, kw_only=True):
    id: Name
    kind: str = msgspec.field(name="detail-type")
    account: Account
    region: Region
    time: str
    resources: tuple[str, ...] = ()
    detail: msgspec.Raw = NULL


Reader = Callable[[Event], Statement | Ignored]
"""Reads the events of one detail-type; raises Unparseable."""


def read_event(message: str, partition: str) -> Event:
    """Return the event in an SNS message; the partition is the topic's. Raises Unparseable."""
    said = read(message, _Envelope, "Message")
    return Event(
        id=said.id,
        kind=said.kind,
        place=Place(partition, said.region, said.account),
        time=said.time,
        resources=said.resources,
        detail=said.detail,
    )


def last(path: str, separator: str = "/") -> str:
    """Return the name at the end of an ARN or path."""
    return path.rsplit(separator, 1)[-1]


@lru_cache(1000)  # the names of alarms and of what they watch are few
def escaped(name: str) -> str:
    """Return a name as one piece of an address."""
    return quote(name, safe="")


def _present(words: dict[str, str]) -> dict[str, str]:
    return {name: clip(value, _FACT) for name, value in words.items() if value.strip()}
