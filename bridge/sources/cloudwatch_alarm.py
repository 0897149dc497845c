"""A CloudWatch alarm in one form, and the parts that both ways of telling it are read with.

Only what says which alarm changed how is required: a metric in a shape nobody documented costs the facts, not
the alert.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec

from bridge.domain.words import duration
from bridge.ports import Unparseable

State = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]
T = TypeVar("T")
D = TypeVar("D")
Seconds = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
NULL = msgspec.Raw(b"null")
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):cloudwatch:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):alarm:(?P<name>.+)", re.S
)
_STATISTICS = {word.upper(): word for word in ("SampleCount", "Average", "Sum", "Minimum", "Maximum")}


class Identity(msgspec.Struct, frozen=True):
    """Which alarm: unique in AWS."""

    partition: str
    region: str
    account: str
    name: str


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of what an alarm watches: a metric, or an expression over others."""

    id: str = ""
    namespace: str = ""
    name: str = ""
    statistic: str = ""
    period: int | None = None
    dimensions: dict[str, str] = {}
    expression: str = ""
    label: str = ""
    returned: bool = True

    @property
    def text(self) -> str:
        """The entry as a person reads it: "AWS/SQS NumberOfMessagesSent (Sum over 1 min)"."""
        if self.expression:
            return f"{self.label} = {self.expression}" if self.label else self.expression
        if not self.name:
            return ""
        over = f" over {duration(timedelta(seconds=self.period))}" if self.period else ""
        how = f" ({self.statistic}{over})" if self.statistic else ""
        return f"{self.namespace} {self.name}{how}".strip()


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one alarm's state."""

    identity: Identity
    state: State
    at: datetime
    reason: str = ""
    description: str = ""
    metrics: tuple[Metric, ...] = ()
    threshold: str = ""
    rule: str = ""
    children: tuple[str, ...] = ()
    datapoints: tuple[float, ...] = ()
    tags: dict[str, str] = {}
    suppressed: str = ""
    """Why CloudWatch itself holds this alarm's actions back, or empty."""

    @property
    def shown(self) -> Metric:
        """What the alarm compares with its threshold: an expression goes before the metrics it is made of."""
        ranked = sorted(self.metrics, key=lambda m: ("ANOMALY_DETECTION_BAND" in m.expression, not m.returned))
        return ranked[0] if ranked else Metric()

    @property
    def kind(self) -> str:
        """What kind of alarm it is: composite, anomaly, math or metric; empty when its metrics can't be read."""
        if self.rule:
            return "composite"
        expressions = [m.expression for m in self.metrics if m.expression]
        if any("ANOMALY_DETECTION_BAND" in expression for expression in expressions):
            return "anomaly"
        return "math" if expressions else "metric" if self.metrics else ""

    @property
    def namespace(self) -> str:
        """Namespace of the first metric that has one."""
        return next((m.namespace for m in self.metrics if m.namespace), "")

    @property
    def dimensions(self) -> dict[str, str]:
        """The dimensions of all metrics; where two differ in one, the first counts."""
        merged: dict[str, str] = {}
        for metric in self.metrics:
            merged = {**metric.dimensions, **merged}
        return merged


def pairs(value: Any) -> dict[str, str]:
    """Return the names and values of dimensions or tags, in any of AWS's spellings.

    SNS writes `[{"name", "value"}]`, EventBridge `{name: value}`, the API `[{"Name", "Value"}]`, tags
    `[{"Key", "Value"}]`. What is neither is left out.
    """
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if isinstance(v, str)}
    found: dict[str, str] = {}
    for item in value if isinstance(value, list) else []:
        lower = {key.lower(): v for key, v in item.items()} if isinstance(item, dict) else {}
        name, given = lower.get("name", lower.get("key")), lower.get("value")
        if isinstance(name, str) and isinstance(given, str):
            found[name] = given
    return found


def read(raw: bytes | str | msgspec.Raw, kind: type[T], path: str) -> T:
    """Return JSON decoded as a type; raises Unparseable with the path of what is wrong."""
    try:
        return cast("T", _decoder(kind).decode(raw))  # type: ignore[arg-type]  # every type is hashable
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unparseable(f"{path}: {error}") from error


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def lenient(raw: bytes | str | msgspec.Raw, kind: type[T], default: D) -> T | D:
    """Return JSON decoded as a type, or the default: for what an alert can do without."""
    if raw is NULL:
        return default
    try:
        return read(raw, kind, "")
    except Unparseable:
        return default


def moment(text: str, path: str) -> datetime:
    """Return a time like 2026-01-15T09:14:31.118+0000 in UTC; one without a zone is UTC. Raises Unparseable."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unparseable(f"{path}: {text[:40]!r} is no time") from error


def identify(arn: str | None, partition: str, region: str, account: str, name: str) -> Identity:
    """Return which alarm an ARN names; without an ARN (old messages), what the message says. Raises Unparseable."""
    if not arn:
        arn = f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"
    match = _ARN.fullmatch(arn)
    if match is None:
        raise Unparseable(f"{arn[:200]!r} is no ARN of an alarm")
    return Identity(match["partition"], match["region"], match["account"], match["name"])


def number(value: float) -> str:
    """Return a number without a needless ".0"."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def statistic(*words: str | None) -> str:
    """Return the first word given, in EventBridge's spelling: SNS writes SUM, EventBridge Sum."""
    word = next((w for w in words if w), "")
    return _STATISTICS.get(word.upper(), word)
