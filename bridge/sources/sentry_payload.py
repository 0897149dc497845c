"""What Sentry sends: the few fields that are read of each hook.

Everything is optional here, so that an odd field costs no alert; readers say what they cannot do without.
Facts: getsentry/sentry, `sentry_apps/api/serializers/app_platform_event.py` (envelope),
`services/eventstore/models.py` (events), `api/serializers/models/group.py` (issues) and `incidents/` (metric
alerts); https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from bridge.sources.sentry_reading import one_line

Id = str | int | None
Scalar = str | int | float | bool | None


class Actor(Struct, frozen=True):
    """Who did something in Sentry: a user, an app, or Sentry itself."""

    type: str | None = None
    name: str | None = None

    @property
    def spoken(self) -> str:
        """The name for people, or empty; Sentry gives an e-mail address as the name of those who set none."""
        name = one_line(self.name, 80)
        return "" if "@" in name[1:] else name


class Frame(Struct, frozen=True):
    """One line of a stack; variables and source lines are not read."""

    filename: str | None = None
    module: str | None = None
    function: str | None = None
    lineno: int | None = None
    in_app: bool | None = None


class Stacktrace(Struct, frozen=True):
    """Frames from the oldest to the newest."""

    frames: list[Frame] | None = None


class Raised(Struct, frozen=True):
    """One exception of a chain."""

    type: str | None = None
    value: str | None = None
    stacktrace: Stacktrace | None = None

    @property
    def text(self) -> str:
        """`Type: value`, or the one of the two that is given."""
        return ": ".join(part for part in (self.type, self.value) if part)


class Exceptions(Struct, frozen=True):
    """A chain of exceptions; the last one is the one that was raised."""

    values: list[Raised] | None = None


class Trace(Struct, frozen=True):
    """`contexts.trace`."""

    trace_id: str | None = None


class Contexts(Struct, frozen=True):
    """What is read of `contexts`."""

    trace: Trace | None = None


class HttpRequest(Struct, frozen=True):
    """The request that failed; of it, only headers that carry a trace are used."""

    headers: list[tuple[str, str]] | None = None


class Evidence(Struct, frozen=True):
    """One row of what an uptime or cron monitor found."""

    name: str | None = None
    value: Scalar = None


class Occurrence(Struct, frozen=True, rename="camel"):
    """What a monitor's event has instead of an exception."""

    issue_title: str | None = None
    subtitle: str | None = None
    evidence_display: list[Evidence] | None = None


class Event(Struct, frozen=True):
    """`data.event` or `data.error`: one event of an issue."""

    event_id: str | None = None
    issue_id: Id = None
    issue_url: str | None = None
    web_url: str | None = None
    url: str | None = None
    project: Id = None
    title: str | None = None
    message: str | None = None
    culprit: str | None = None
    level: str | None = None
    logger: str | None = None
    platform: str | None = None
    type: str | None = None
    release: str | None = None
    environment: str | None = None
    datetime: datetime | None = None
    timestamp: float | None = None
    received: float | None = None
    tags: list[tuple[str, Scalar]] | None = None
    contexts: Contexts | None = None
    exception: Exceptions | None = None
    request: HttpRequest | None = None
    occurrence: Occurrence | None = None


class EventData(Struct, frozen=True):
    """`data` of event_alert and error."""

    event: Event | None = None
    error: Event | None = None
    triggered_rule: str | None = None


class EventHook(Struct, frozen=True):
    """The body of event_alert and error."""

    action: str | None = None
    data: EventData | None = None


class Project(Struct, frozen=True):
    """The project of an issue."""

    slug: str | None = None


class Metadata(Struct, frozen=True):
    """What Sentry made of an issue's first event."""

    type: str | None = None
    value: str | None = None
    title: str | None = None


class StatusDetails(Struct, frozen=True, rename="camel"):
    """Until when an issue is archived, or in what it is resolved; spans in minutes."""

    in_release: str | None = None
    ignore_count: int | None = None
    ignore_window: int | None = None
    ignore_user_count: int | None = None
    ignore_user_window: int | None = None
    ignore_until: datetime | None = None
    ignore_duration: int | None = None


class Issue(Struct, frozen=True, rename="camel"):
    """`data.issue`: no environment, no tags, no trace."""

    id: Id = None
    short_id: str | None = None
    title: str | None = None
    culprit: str | None = None
    level: str | None = None
    logger: str | None = None
    platform: str | None = None
    type: str | None = None
    issue_category: str | None = None
    priority: str | None = None
    substatus: str | None = None
    status_details: StatusDetails | None = None
    project: Project | None = None
    metadata: Metadata | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    count: Id = None
    user_count: Id = None
    assigned_to: Actor | None = None
    permalink: str | None = None
    web_url: str | None = msgspec.field(default=None, name="web_url")


class IssueData(Struct, frozen=True):
    """`data` of issue."""

    issue: Issue | None = None
    assignee: Actor | None = None
    resolution_type: str | None = None


class IssueHook(Struct, frozen=True):
    """The body of issue."""

    action: str | None = None
    data: IssueData | None = None
    actor: Actor | None = None


class Trigger(Struct, frozen=True):
    """One threshold of a metric alert's rule."""

    label: str | None = None
    alert_threshold: float | None = None


class Rule(Struct, frozen=True):
    """The rule of a metric alert."""

    id: Id = None
    name: str | None = None
    query: str | None = None
    aggregate: str | None = None
    dataset: str | None = None
    environment: str | None = None
    projects: list[str] | None = None
    triggers: list[Trigger] | None = None
    resolve_threshold: float | None = None


class Metric(Struct, frozen=True):
    """`data.metric_alert`: one spell of a rule being over its threshold."""

    alert_rule: Rule | None = None
    title: str | None = None
    projects: list[str] | None = None
    status_method: int | None = None
    date_started: datetime | None = None
    date_detected: datetime | None = None
    date_closed: datetime | None = None


class MetricData(Struct, frozen=True):
    """`data` of metric_alert."""

    metric_alert: Metric | None = None
    description_text: str | None = None
    description_title: str | None = None
    web_url: str | None = None


class MetricHook(Struct, frozen=True):
    """The body of metric_alert."""

    action: str | None = None
    data: MetricData | None = None
