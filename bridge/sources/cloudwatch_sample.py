"""The made-up alarm of `send-test` and the sandbox: always the same one, so that OK resolves what ALARM opened."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from bridge.domain.alert import Status

_NAME = "checkout-api-5xx"
_REASONS = {
    "ALARM": "Threshold Crossed: 2 out of the last 3 datapoints [61.0, 48.0] were greater than the threshold (25.0).",
    "OK": "Threshold Crossed: 2 out of the last 3 datapoints [0.0, 2.0] were not greater than the threshold (25.0).",
}


def sample_alarm(topic_arn: str, status: Status, now: datetime) -> str:
    """Return the alarm as CloudWatch would publish it to that topic; OK for RESOLVED, else ALARM."""
    partition, region, account = (topic_arn.split(":")[part] for part in (1, 3, 4))
    state = "OK" if status is Status.RESOLVED else "ALARM"
    message = {
        "AlarmName": _NAME,
        "AlarmDescription": "The shop's checkout answers with errors. Runbook: https://runbooks.example.com/checkout-5xx",
        "AWSAccountId": account,
        "NewStateValue": state,
        "NewStateReason": _REASONS[state],
        "StateChangeTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}+0000",
        "AlarmArn": f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{_NAME}",
        "OldStateValue": "ALARM" if state == "OK" else "OK",
        "Trigger": _TRIGGER,
        "AlarmTags": {"service": "checkout-api", "environment": "production", "severity": "critical"},
    }
    return msgspec.json.encode(message).decode()


_TRIGGER = {
    "MetricName": "HTTPCode_Target_5XX_Count",
    "Namespace": "AWS/ApplicationELB",
    "StatisticType": "Statistic",
    "Statistic": "SUM",
    "Unit": None,
    "Dimensions": [
        {"name": "LoadBalancer", "value": "app/checkout/50dc6c495c0c9188"},
        {"name": "TargetGroup", "value": "targetgroup/checkout-api/73e2d6bc24d8a067"},
    ],
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 25.0,
    "TreatMissingData": "notBreaching",
}
