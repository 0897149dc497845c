"""What real senders send, and how each proves itself: the ground that the fuzzing starts from."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from bridge.domain.alert import Status
from bridge.ports import Source
from bridge.sandbox.sns import LocalSns
from bridge.sources import sns
from bridge.sources.cloudwatch_sample import sample_alarm
from bridge.sources.sentry import SIGNATURE, signature
from tests.security import mutate
from tests.sources.sns_world import KEY, TOPIC

SENTRY_SECRET, BEARER, BASIC, PATH_SECRET = "sentry-secret", "alertmanager-token", "prom:basic-password", "p" * 20
CONFIG = """
sources:
  sentry: {{kind: sentry, client_secret: {sentry}}}
  alertmanager: {{kind: alertmanager, bearer_token: {bearer}}}
  basic: {{kind: alertmanager, basic_auth: {{username: prom, password: basic-password}}}}
  secret-path: {{kind: alertmanager, path_secret: {path}}}
  cloudwatch: {{kind: cloudwatch, topic_arns: ["{topic}"], signing_hosts: ["{host}"]}}
  raw: {{kind: cloudwatch, topic_arns: ["{topic}"], path_secret: {path}, insufficient_data: warn}}
destinations:
  oncall: {{kind: slack, token: xoxb-1, channel: C0ONCALL, api_url: "http://127.0.0.1:1/"}}
  tickets: {{kind: jira, url: "http://127.0.0.1:1", user: bot@example.com, token: t, project: OPS, settle: 1s}}
links:
  - {{label: Trace, kind: jaeger, url: "https://jaeger.example.com"}}
  - {{label: Logs, kind: loki, url: "https://grafana.example.com", datasource: P8E80F9AEF21F6940}}
  - {{label: Insights, kind: cloudwatch_insights, log_groups: ["/aws/lambda/{{{{ service }}}}"]}}
receiver: {{max_body: 256KiB}}
log: {{format: json}}
"""


def config(host: str) -> str:
    """A config with every source, and every way of proof."""
    return CONFIG.format(sentry=SENTRY_SECRET, bearer=BEARER, path=PATH_SECRET, topic=TOPIC, host=host)


@dataclass
class Sent:
    """One request, as bytes on their way in."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


Prove = Callable[[bytes, Random], tuple[str, dict[str, str], bytes]]
"""A body → path, headers and body of a request that the receiver believes."""


class Corpus:
    """Documents by the way they are proven; `request` makes one request of them."""

    def __init__(self, sources: dict[str, Source], sns_url: str) -> None:
        self.signer = LocalSns(sns_url, KEY).signer
        now = datetime.now(UTC)
        folder = Path(__file__).parent.parent / "sources" / "payloads" / "sentry"
        self.sentry = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
        samples = [sources["alertmanager"].sample(status, now) for status in (Status.FIRING, Status.RESOLVED)]
        self.groups = [json.loads(sample.body) for sample in samples]
        alarms = [sample_alarm(TOPIC, status, now) for status in (Status.FIRING, Status.RESOLVED)]
        self.alarms = [*map(json.loads, alarms), event_bridge(now)]
        self.ways: list[Callable[[Random], Sent]] = [
            *[self._sentry] * 5, *[self._alertmanager] * 4, *[self._raw_alarm] * 4, self._envelope, self._stranger,
        ]  # fmt: skip

    def request(self, random: Random) -> Sent:
        """One request: mostly proven, so that it reaches the parsers."""
        sent = random.choice(self.ways)(random)
        if random.random() < 0.15:
            name, value = random.choice(mutate.HEADER_NAMES), random.choice(mutate.HEADER_VALUES)
            sent.headers.insert(random.randint(0, len(sent.headers)), (name.encode(), value))
        return sent

    def _body(self, documents: list[Any], random: Random) -> bytes:
        document = random.choice(documents)
        if random.random() < 0.08:
            return mutate.damaged(json.dumps(document).encode(), random)
        return mutate.changed(document, random)

    def _sentry(self, random: Random) -> Sent:
        name = random.choice(list(self.sentry))
        body = self._body([self.sentry[name]], random)
        resource = name.partition("-")[0] if random.random() < 0.9 else random.choice(["issue", "error", "event_alert"])
        stamp = str(int(datetime.now(UTC).timestamp()) - random.choice([0, 1, 10**6]))
        headers = {
            "sentry-hook-resource": resource,
            "sentry-hook-timestamp": stamp,
            SIGNATURE: signature(SENTRY_SECRET.encode(), body).decode(),
        }
        return _sent("/hooks/sentry", headers, body, random)

    def _alertmanager(self, random: Random) -> Sent:
        body = self._body(self.groups, random)
        match random.randrange(4):
            case 0:
                return _sent("/hooks/secret-path/" + PATH_SECRET, {}, body, random)
            case 1:
                return _sent("/hooks/basic", {"authorization": "Basic " + _base64(BASIC)}, body, random)
        return _sent("/hooks/alertmanager", {"authorization": f"Bearer {BEARER}"}, body, random)

    def _raw_alarm(self, random: Random) -> Sent:
        headers = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC}
        return _sent("/hooks/raw/" + PATH_SECRET, headers, self._body(self.alarms, random), random)

    def _envelope(self, random: Random) -> Sent:
        message = self._body(self.alarms, random).decode("utf-8", "replace")
        subject = random.choice([None, "ALARM", random.choice(mutate.NASTY_TEXTS)])
        envelope = sns.notification(
            TOPIC, subject, message, datetime.now(UTC) - timedelta(minutes=random.choice([0, 90, 900]))
        )
        if random.random() < 0.3:
            envelope = self.signer.sign(envelope)
            return _sent("/hooks/cloudwatch", {}, json.dumps(_json(envelope)).encode(), random)
        return _sent("/hooks/cloudwatch", {}, mutate.changed(_json(envelope), random), random)

    def _stranger(self, random: Random) -> Sent:
        body = self._body([*self.sentry.values(), *self.groups, *self.alarms], random)
        chosen = random.sample(mutate.HEADER_NAMES, random.randint(0, 4))
        headers = [(name.encode(), random.choice(mutate.HEADER_VALUES)) for name in chosen]
        path = random.choice(
            [*mutate.PATHS, "/hooks/sentry", "/hooks/alertmanager", "/hooks/basic", "/hooks/cloudwatch", "/hooks/raw"]
        )
        return Sent(random.choice([*mutate.METHODS, *["POST"] * 20]), path, headers, body)


def _sent(path: str, headers: dict[str, str], body: bytes, random: Random) -> Sent:
    body, more = mutate.encoded(body, random)
    return Sent("POST", path, [(k.encode(), v.encode("latin-1")) for k, v in (headers | more).items()], body)


def _json(envelope: sns.Envelope) -> Any:
    import msgspec

    return msgspec.to_builtins(envelope)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def event_bridge(now: datetime) -> dict[str, Any]:
    """A CloudWatch alarm's change of state as EventBridge tells it."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "210987654321",
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-central-1",
        "resources": ["arn:aws:cloudwatch:eu-central-1:210987654321:alarm:QueueDepth"],
        "trace-header": "Root=1-5f84c7a1-6e7b2d7f8a9c0b1d2e3f4a5b;Sampled=1",
        "detail": {
            "alarmName": "QueueDepth",
            "configuration": {
                "description": "runbook: https://runbooks.example.com/queue",
                "metrics": [
                    {
                        "id": "m1",
                        "metricStat": {
                            "metric": {"namespace": "AWS/SQS", "name": "Depth", "dimensions": {"QueueName": "jobs"}},
                            "period": 60,
                            "stat": "Average",
                        },
                        "returnData": True,
                    }
                ],
            },
            "previousState": {"value": "OK", "reason": "", "timestamp": stamp},
            "state": {
                "value": "ALARM",
                "reason": "Threshold Crossed: 3 datapoints were greater than the threshold (10.0).",
                "reasonData": '{"version":"1.0","recentDatapoints":[11.0,12.5,14.0],"threshold":10.0}',
                "timestamp": stamp,
            },
        },
    }
