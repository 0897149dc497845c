"""CloudWatch alarms and health events of AWS through Amazon SNS; docs/sources/cloudwatch.md is for operators."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import AfterValidator, Field

from bridge import settings
from bridge.domain.alert import Alert, Severity, Status, event_id, fingerprint
from bridge.domain.words import clip
from bridge.ports import Handshake, Ignored, Parsed, Request, Sample, Unparseable, Unverified
from bridge.sources import aws_autoscaling, aws_events, cloudwatch_event, cloudwatch_sns, sns
from bridge.sources.aws_event import Statement
from bridge.sources.cloudwatch_alarm import Alarm, lenient, moment
from bridge.sources.cloudwatch_alert import alert
from bridge.sources.cloudwatch_sample import sample_alarm

_TOPIC = re.compile(r"arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]{3,}:\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:[1-9]\d{0,4})?", re.ASCII)


def _topic_arn(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        example = "arn:aws:sns:eu-west-1:123456789012:alarms"
        raise ValueError(f'"{value}" is no ARN of an SNS topic: copy it from the SNS console, as in {example}')
    return value


def _signing_host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f'"{value}" is no host: write host or host:port, as in localhost:4566')
    return value


_ALARM_CHANGED = "CloudWatch Alarm State Change"
_TITLE_LIMIT = 200
_TEXT_LIMIT = 4000
_REASON_LIMIT = 400
"""Of what is ignored: it goes to the log."""


class CloudWatchOptions(settings.Options):
    """What an operator can set for a source of kind cloudwatch."""

    topic_arns: tuple[Annotated[str, AfterValidator(_topic_arn)], ...] = Field(
        min_length=1, examples=[["arn:aws:sns:ap-northeast-2:123456789012:alarms"]]
    )
    """The SNS topics that may speak here; any AWS customer's topic has a valid signature."""
    signing_hosts: tuple[Annotated[str, AfterValidator(_signing_host)], ...] = ()
    """"host" or "host:port" trusted beside AWS's own, for emulators; plain http only if it is loopback."""
    max_age: settings.Duration = timedelta(hours=2)
    """How old a message's signed time may be; SNS retries for up to an hour."""
    signature_versions: tuple[Literal[1, 2], ...] = Field(default=(1, 2), min_length=1)
    insufficient_data: Literal["ignore", "warn"] = "ignore"
    severity: Severity = Severity.ERROR
    """Of an alarm that has no tag `severity`, and of messages that are no alarms."""
    path_secret: Annotated[settings.Secret, Field(min_length=16)] | None = None
    """If set, only POST /hooks/<name>/<path_secret> is accepted, and raw message delivery is."""
    auto_confirm: bool = True


class _Marks(msgspec.Struct, rename="pascal"):
    """By what a message inside SNS shows what it is."""

    alarm_name: Any = None
    new_state_value: Any = None
    event: str = ""
    lifecycle_transition: str = ""
    detail_type: str = msgspec.field(name="detail-type", default="")
    replay_name: str = msgspec.field(name="replay-name", default="")
    trace_header: str = msgspec.field(name="trace-header", default="")

    @property
    def auto_scaling(self) -> bool:
        """True for what an Auto Scaling group says by itself."""
        return (self.event or self.lifecycle_transition).startswith("autoscaling:")


def _is_raw(headers: Mapping[str, str]) -> bool:
    return headers.get("x-amz-sns-rawdelivery", "").lower() == "true"


def _wrapped(request: Request) -> sns.Envelope:
    """Return the envelope a raw message would have come in; raises ValueError when it isn't UTF-8."""
    return sns.Envelope(
        type=sns.NOTIFICATION,
        message_id=request.headers.get("x-amz-sns-message-id") or event_id(request.body),
        topic_arn=request.headers["x-amz-sns-topic-arn"],
        message=request.body.decode(),
        timestamp=sns.timestamp(request.received_at),
        signature_version="",
    )


def _partition(envelope: sns.Envelope) -> str:
    return envelope.topic_arn.split(":")[1]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class CannotSign(RuntimeError):
    """A sample can't be proven: only AWS has the key."""


class CloudWatch:
    """Alarms of CloudWatch, told by SNS itself or by EventBridge through SNS."""

    Options: ClassVar[type[settings.Options]] = CloudWatchOptions
    signer: sns.Signer | None = None
    """Signs samples; set where a key of one's own is trusted through `signing_hosts` (the sandbox)."""

    def __init__(self, name: str, options: CloudWatchOptions) -> None:
        self._name = name
        self._options = options
        self._hosts = sns.Hosts(options.signing_hosts)
        self._verifier = sns.Verifier(options.topic_arns, self._hosts, options.max_age, options.signature_versions)
        self._last: tuple[bytes, sns.Envelope] | None = None

    def needs_io(self, request: Request) -> bool:
        """Return True when the signing certificate is new, or a subscription asks to be confirmed."""
        if _is_raw(request.headers):
            return False
        try:
            envelope = self._decoded(request.body)
        except ValueError:
            return False
        return envelope.type == sns.CONFIRMATION or self._verifier.needs_io(envelope)

    def verify(self, request: Request) -> None:
        """Return if SNS signed the request for an allowed topic; raise Unverified, or sns.CertificateUnavailable.

        Raw message delivery has no signature: it is refused unless `path_secret` is set and right.
        """
        self._check_path(request.path_secret)
        if _is_raw(request.headers):
            return self._check_raw(request.headers)
        try:
            envelope = self._decoded(request.body)
        except ValueError as error:
            raise Unverified(str(error)) from error
        return self._verifier.verify(envelope, request.received_at)

    def _check_path(self, given: str) -> None:
        secret = self._options.path_secret
        if secret is not None and not hmac.compare_digest(_bytes(given), _bytes(secret.get_secret_value())):
            raise Unverified("path_secret is wrong or missing: subscribe https://…/hooks/<name>/<path_secret>")

    def _check_raw(self, headers: Mapping[str, str]) -> None:
        if self._options.path_secret is None:
            raise Unverified("raw message delivery has no signature: switch it off, or set path_secret")
        if headers.get("x-amz-sns-topic-arn") not in self._options.topic_arns:
            raise Unverified("the topic of this raw message is not in topic_arns: add it if it is yours")

    def parse(self, request: Request) -> Parsed:
        """Return the alarm, the handshake, or why there is nothing to tell; raise Unparseable."""
        envelope = self._envelope(request)
        if envelope.type == sns.CONFIRMATION:
            return self._handshake(envelope)
        if envelope.type == sns.UNSUBSCRIBED:
            return Ignored(f"unsubscribed from {envelope.topic_arn}: subscribe again if that was not meant")
        return self._message(envelope)

    def _envelope(self, request: Request) -> sns.Envelope:
        try:
            return _wrapped(request) if _is_raw(request.headers) else self._decoded(request.body)
        except ValueError as error:
            raise Unparseable(str(error)) from error

    def _decoded(self, body: bytes) -> sns.Envelope:
        """Return the envelope in a body, or raise ValueError; of one body it is asked for three times in a row."""
        last = self._last
        if last is None or last[0] is not body:
            self._last = last = (body, sns.decode(body))
        return last[1]

    def _handshake(self, envelope: sns.Envelope) -> Handshake | Ignored:
        topic, url = envelope.topic_arn, envelope.subscribe_url
        if not self._hosts.may_confirm(url, envelope.region, topic, envelope.token):
            raise Unparseable(f"SubscribeURL {clip(url, 200)!r} is no confirmation of {topic}: not visited")
        if not self._options.auto_confirm:
            command = f"aws sns confirm-subscription --topic-arn {topic} --token {envelope.token}"
            return Ignored(f"auto_confirm is off: to confirm the subscription, run {command}")
        return Handshake(partial(sns.confirm, url), f"subscription to {topic}")

    def _message(self, envelope: sns.Envelope) -> list[Alert] | Ignored:
        marks = lenient(envelope.message, _Marks, None)
        if marks is None:
            return [self._other(envelope)]
        if marks.detail_type:
            return self._event(envelope, marks)
        if marks.alarm_name is not None and marks.new_state_value is not None:
            return self._alarm(cloudwatch_sns.from_sns(envelope.message, _partition(envelope), envelope.region))
        if marks.auto_scaling:
            return self._told(aws_autoscaling.spoken(envelope.message, _partition(envelope), envelope.region))
        return [self._other(envelope, "Message")]

    def _event(self, envelope: sns.Envelope, marks: _Marks) -> list[Alert] | Ignored:
        if marks.replay_name:
            return Ignored(f"replayed from the EventBridge archive by {marks.replay_name!r}")
        carriers = {"X-Amzn-Trace-Id": marks.trace_header} if marks.trace_header else {}
        if marks.detail_type != _ALARM_CHANGED:
            return self._told(aws_events.told(marks.detail_type, envelope.message, _partition(envelope)), carriers)
        return self._alarm(cloudwatch_event.from_event(envelope.message, _partition(envelope)), carriers)

    def _told(self, said: Statement | Ignored, carriers: dict[str, str] | None = None) -> list[Alert] | Ignored:
        if isinstance(said, Ignored):
            return Ignored(clip(said.reason, _REASON_LIMIT))
        return [msgspec.structs.replace(said.alert(self._name, self._options.severity), carriers=carriers or {})]

    def _alarm(self, alarm: Alarm, carriers: dict[str, str] | None = None) -> list[Alert] | Ignored:
        if alarm.suppressed and alarm.state != "OK":
            return Ignored(f"CloudWatch suppresses the actions of {alarm.identity.name}: {alarm.suppressed}")
        if alarm.state == "INSUFFICIENT_DATA" and self._options.insufficient_data == "ignore":
            return Ignored(f"{alarm.identity.name} has insufficient data, and insufficient_data is ignore")
        stated = alert(self._name, alarm, self._options.severity)
        return [msgspec.structs.replace(stated, carriers=carriers or {})]

    def _other(self, envelope: sns.Envelope, title: str = "") -> Alert:
        """Return an alert for a message that is no alarm: somebody published it to be heard."""
        topic = envelope.topic_arn.rsplit(":", 1)[-1]
        first = next((line.strip() for line in envelope.message.splitlines() if line.strip()), "Message")
        subject = (envelope.subject or "").strip() or (f"{title} from {topic}" if title else first)
        return Alert(
            source=self._name,
            fingerprint=fingerprint(self._name, "message", envelope.topic_arn, subject),
            event_id=event_id(envelope.topic_arn, envelope.message_id),
            status=Status.FIRING,
            severity=self._options.severity,
            at=moment(envelope.timestamp, "Timestamp"),
            title=clip(subject, _TITLE_LIMIT),
            details=clip(envelope.message, _TEXT_LIMIT),
            labels={"topic": topic, "region": envelope.region, "account": envelope.topic_arn.split(":")[4]},
            facts={"Topic": envelope.topic_arn},
        )

    def sample(self, status: Status, now: datetime) -> Sample:
        """Return a made-up alarm, signed with `signer`, or raw where a path_secret proves it; raises CannotSign."""
        topic, secret = self._options.topic_arns[0], self._options.path_secret
        path_secret = secret.get_secret_value() if secret else ""
        message = sample_alarm(topic, status, now)
        envelope = sns.notification(topic, "CloudWatch alarm", message, now)
        headers = sns.headers(envelope)
        if self.signer:
            return Sample(headers, msgspec.json.encode(self.signer.sign(envelope)), path_secret)
        if secret:
            return Sample(headers | {"x-amz-sns-rawdelivery": "true"}, message.encode(), path_secret)
        raise CannotSign(
            "only AWS can sign for its topics: run `aws cloudwatch set-alarm-state --alarm-name NAME"
            " --state-value ALARM --state-reason test`, or send the sample to the sandbox of `alert-bridge up`"
        )
