from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.domain.alert import Alert, Link, Severity, Status
from bridge.ports import Handshake, Ignored, Parsed, Request, Source, Unparseable, Unverified
from bridge.sources import sns
from bridge.sources.cloudwatch import CannotSign, CloudWatch, CloudWatchOptions
from bridge.sources.cloudwatch_alarm import Identity, pairs
from bridge.sources.cloudwatch_alert import console, snake
from tests.sources.sns_world import NOW, TOPIC, World, local_sns

ACCOUNT, REGION = "210987654321", "eu-central-1"
CHANGED = datetime(2026, 3, 14, 9, 26, 50, 123000, tzinfo=UTC)
SECRET = "correct-horse-battery-staple"


def arn(name: str) -> str:
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"


@pytest.fixture(scope="module")
def server() -> Any:
    with local_sns() as running:
        yield running


@pytest.fixture
def world(server: World) -> World:
    return server.fresh()


def source(**options: object) -> CloudWatch:
    return CloudWatch("aws", CloudWatchOptions.model_validate({"topic_arns": [TOPIC]} | options))


def request(body: bytes, *, headers: dict[str, str] | None = None, path_secret: str = "") -> Request:
    return Request(headers=headers or {}, body=body, received_at=NOW, path_secret=path_secret)


def wrapped(message: object, subject: str | None = None) -> Request:
    """Return a request with the message in an envelope; parsing alone looks at no signature."""
    text = message if isinstance(message, str) else json.dumps(message)
    envelope = sns.notification(TOPIC, subject, text, NOW)
    return request(msgspec.json.encode(envelope))


def told(message: object, **options: object) -> Alert:
    """Return the one alert in a message."""
    parsed = source(**options).parse(wrapped(message))
    assert isinstance(parsed, list), parsed
    (alert,) = parsed
    return alert


def ignored(message: object, **options: object) -> str:
    parsed = source(**options).parse(wrapped(message))
    assert isinstance(parsed, Ignored), parsed
    return parsed.reason


# --- the alarms -------------------------------------------------------------------------------------------

DEPTH = {
    "AlarmName": "orders-queue-depth",
    "AlarmDescription": "Orders pile up. Runbook: https://wiki.example.org/orders#depth.",
    "AWSAccountId": ACCOUNT,
    "AlarmConfigurationUpdatedTimestamp": "2026-02-01T08:00:00.000+0000",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed: 3 datapoints were greater than or equal to the threshold (5.0).",
    "StateChangeTime": "2026-03-14T09:26:50.123+0000",
    "Region": "Europe (Frankfurt)",
    "AlarmArn": arn("orders-queue-depth"),
    "OldStateValue": "OK",
    "OKActions": [TOPIC],
    "AlarmActions": [TOPIC],
    "InsufficientDataActions": [],
    "Trigger": {
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Namespace": "AWS/SQS",
        "StatisticType": "Statistic",
        "Statistic": "MAXIMUM",
        "Unit": None,
        "Dimensions": [{"value": "orders", "name": "QueueName"}],
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "- TreatMissingData:                    missing",
        "EvaluateLowSampleCountPercentile": "",
    },
}


def depth(**changed: object) -> dict[str, object]:
    return DEPTH | changed


def trigger(**changed: object) -> dict[str, object]:
    return depth(Trigger=DEPTH["Trigger"] | changed)  # type: ignore[operator]


def test_a_metric_alarm_says_what_a_person_on_call_needs() -> None:
    alert = told(DEPTH)
    assert alert.source == "aws"
    assert (alert.status, alert.severity, alert.at) == (Status.FIRING, Severity.ERROR, CHANGED)
    assert alert.title == "orders-queue-depth"
    assert alert.summary == DEPTH["NewStateReason"]
    assert alert.details == DEPTH["AlarmDescription"]
    assert alert.service == "orders"
    assert alert.url == (
        "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        "#alarmsV2:alarm/orders-queue-depth"
    )
    assert alert.links == (Link("Runbook", "https://wiki.example.org/orders#depth"),)
    assert alert.labels == {
        "alarm": "orders-queue-depth",
        "account": ACCOUNT,
        "region": REGION,
        "alarm_kind": "metric",
        "namespace": "AWS/SQS",
        "metric": "ApproximateNumberOfMessagesVisible",
        "statistic": "Maximum",
        "dimension_queue_name": "orders",
    }
    assert alert.facts == {
        "Region": REGION,
        "Account": ACCOUNT,
        "Metric": "AWS/SQS ApproximateNumberOfMessagesVisible (Maximum over 1 min)",
        "Dimensions": "QueueName=orders",
        "Threshold": "≥ 5 for 3 of 3 periods of 1 min",
    }


def test_ok_resolves_the_same_problem_with_another_statement() -> None:
    fired, ok = told(DEPTH), told(depth(NewStateValue="OK", OldStateValue="ALARM"))
    assert ok.status is Status.RESOLVED
    assert ok.fingerprint == fired.fingerprint
    assert ok.event_id != fired.event_id


def test_the_same_change_told_twice_is_one_statement_and_a_later_one_is_another() -> None:
    assert told(DEPTH).event_id == told(DEPTH).event_id
    assert told(DEPTH).event_id != told(depth(StateChangeTime="2026-03-14T09:26:50.124+0000")).event_id


def test_account_region_partition_and_name_are_part_of_the_fingerprint_and_the_name_is_whole() -> None:
    others = [
        "arn:aws:cloudwatch:eu-central-1:210987654322:alarm:orders-queue-depth",
        "arn:aws:cloudwatch:eu-west-1:210987654321:alarm:orders-queue-depth",
        "arn:aws-cn:cloudwatch:eu-central-1:210987654321:alarm:orders-queue-depth",
        arn("orders-queue-depth:high"),
        arn("orders-queue-depth:low"),
    ]
    assert len({told(depth(AlarmArn=a)).fingerprint for a in [*others, DEPTH["AlarmArn"]]}) == 6
    assert told(depth(AlarmArn=others[3])).title == "orders-queue-depth:high"


def test_an_old_message_without_an_arn_is_the_same_problem() -> None:
    without = {k: v for k, v in DEPTH.items() if k != "AlarmArn"}
    assert told(without).fingerprint == told(DEPTH).fingerprint


def test_a_source_of_another_name_has_other_fingerprints_and_other_options_have_not() -> None:
    parsed = CloudWatch("aws2", CloudWatchOptions(topic_arns=(TOPIC,))).parse(wrapped(DEPTH))
    assert isinstance(parsed, list)
    assert parsed[0].fingerprint != told(DEPTH).fingerprint
    assert told(DEPTH, severity="info", insufficient_data="warn").fingerprint == told(DEPTH).fingerprint


def test_a_percentile_alarm_shows_its_percentile() -> None:
    alert = told(trigger(Statistic=None, StatisticType="ExtendedStatistic", ExtendedStatistic="p99.9", Period=300))
    assert alert.labels["statistic"] == "p99.9"
    assert alert.facts["Metric"] == "AWS/SQS ApproximateNumberOfMessagesVisible (p99.9 over 5 min)"


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"ComparisonOperator": "LessThanThreshold", "Threshold": 0.5}, "< 0.5 for 3 of 3 periods of 1 min"),
        ({"DatapointsToAlarm": None, "Threshold": 1234567.0}, "≥ 1234567 for 3 of 3 periods of 1 min"),
        ({"EvaluationPeriods": 1, "DatapointsToAlarm": 1, "Period": 3600}, "≥ 5 for 1 of 1 period of 1 h"),
        ({"ComparisonOperator": "SomethingNew"}, "SomethingNew 5 for 3 of 3 periods of 1 min"),
    ],
)
def test_the_threshold_reads_as_a_sentence(changed: dict[str, object], shown: str) -> None:
    assert told(trigger(**changed)).facts["Threshold"] == shown


def stat(name: str, namespace: str = "AWS/ApiGateway") -> dict[str, object]:
    metric = {"MetricName": name, "Namespace": namespace, "Dimensions": [{"name": "ApiName", "value": "shop"}]}
    return {"Metric": metric, "Period": 60, "Stat": "Sum"}


def test_a_metric_math_alarm_shows_the_expression_and_what_it_is_made_of() -> None:
    metrics = [
        {"Id": "ratio", "Expression": "100*errors/calls", "Label": "error ratio", "ReturnData": True},
        {"Id": "errors", "MetricStat": stat("5XXError"), "ReturnData": False},
        {"Id": "calls", "MetricStat": stat("Count"), "ReturnData": False},
    ]
    rest = {"Period": 60, "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 2.5}
    alert = told(depth(Trigger={"Metrics": metrics} | rest, AlarmDescription=None))
    assert alert.facts["Metric"] == "error ratio = 100*errors/calls"
    assert alert.facts["Dimensions"] == "ApiName=shop"
    assert alert.facts["Threshold"] == "> 2.5 for 1 of 1 period of 1 min"
    assert alert.details.splitlines() == [
        "ratio: error ratio = 100*errors/calls",
        "errors: AWS/ApiGateway 5XXError (Sum over 1 min)",
        "calls: AWS/ApiGateway Count (Sum over 1 min)",
    ]
    assert (alert.labels["alarm_kind"], alert.labels["metric"]) == ("math", "error ratio")
    assert alert.service == "shop"


def test_an_anomaly_alarm_shows_the_metric_and_that_it_left_the_band() -> None:
    metrics = [
        {"Id": "m1", "MetricStat": stat("Latency"), "ReturnData": True},
        {"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)", "Label": "expected", "ReturnData": True},
    ]
    rest = {"EvaluationPeriods": 2, "DatapointsToAlarm": 2, "ThresholdMetricId": "ad1", "Period": 60}
    operator = {"ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold"}
    alert = told(depth(Trigger={"Metrics": metrics} | rest | operator))
    assert alert.facts["Metric"] == "AWS/ApiGateway Latency (Sum over 1 min)"
    assert alert.facts["Threshold"] == "outside the expected band for 2 of 2 periods of 1 min"
    assert (alert.labels["alarm_kind"], alert.labels["metric"]) == ("anomaly", "Latency")


def test_a_composite_alarm_shows_its_rule_and_which_alarms_set_it_off() -> None:
    children = [
        {"Arn": arn("orders:depth"), "State": {"Value": "ALARM", "Timestamp": "2026-03-14T09:26:50.000+0000"}},
        {"Arn": arn("orders-age"), "State": {"Value": "ALARM", "Timestamp": "2026-03-14T09:26:40.000+0000"}},
    ]
    composite = {k: v for k, v in DEPTH.items() if k != "Trigger"}
    alert = told(composite | {"AlarmRule": 'ALARM("orders:depth") AND ALARM("x")', "TriggeringChildren": children})
    assert alert.facts["Alarm rule"] == 'ALARM("orders:depth") AND ALARM("x")'
    assert alert.facts["Triggered by"] == "orders:depth, orders-age"
    assert alert.labels["alarm_kind"] == "composite"
    assert "metric" not in alert.labels


@pytest.mark.parametrize(
    ("state", "reason", "summary"),
    [
        ("ALARM", " transitioned to ALARM at Saturday 14 March, 2026 09:26:50 UTC", "depth:1, age went into ALARM"),
        ("OK", " transitioned to OK at 09:31 UTC", "depth:1 transitioned to OK at 09:31 UTC"),
    ],
)
def test_a_composite_alarm_says_in_names_what_its_children_did(state: str, reason: str, summary: str) -> None:
    composite = {k: v for k, v in DEPTH.items() if k != "Trigger"} | {"AlarmRule": "ALARM(a)"}
    children = [{"Arn": arn("depth:1")}, {"Arn": arn("age")}]
    said = {"NewStateValue": state, "NewStateReason": arn("depth:1") + reason, "TriggeringChildren": children}
    assert told(composite | said).summary == summary


@pytest.mark.parametrize("odd", [None, [], 5, "x", {"Period": -1}, {"Metrics": {}}, {"Threshold": "high"}])
def test_a_metric_in_an_unknown_shape_costs_the_facts_not_the_alert(odd: object) -> None:
    alert = told(depth(Trigger=odd, TriggeringChildren=odd, AlarmTags=odd))
    assert alert.fingerprint == told(DEPTH).fingerprint
    assert "Metric" not in alert.facts


# --- states -----------------------------------------------------------------------------------------------


def test_insufficient_data_is_ignored_unless_it_shall_warn() -> None:
    silent = depth(NewStateValue="INSUFFICIENT_DATA", NewStateReason="Unchecked: Initial alarm creation")
    assert "orders-queue-depth" in ignored(silent)
    alert = told(silent, insufficient_data="warn", severity="critical")
    assert (alert.status, alert.severity) == (Status.FIRING, Severity.WARNING)
    assert alert.summary == "There is no data. Unchecked: Initial alarm creation"
    assert alert.fingerprint == told(DEPTH).fingerprint


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"NewStateValue": "PANIC"}, "PANIC"),
        ({"NewStateValue": 3}, r"\$\.NewStateValue"),
        ({"StateChangeTime": None}, r"\$\.StateChangeTime"),
        ({"StateChangeTime": "soon"}, "StateChangeTime"),
        ({"StateChangeTime": "9999-12-31T23:59:59-1400"}, "StateChangeTime"),
        ({"AlarmName": 7}, r"\$\.AlarmName"),
        ({"AlarmArn": "arn:aws:cloudwatch:evil.example/:210987654321:alarm:x"}, "no ARN of an alarm"),
        ({"AlarmArn": None, "AWSAccountId": "none"}, "no ARN of an alarm"),
    ],
)
def test_an_alarm_that_does_not_say_which_or_when_is_unparseable(changed: dict[str, object], wrong: str) -> None:
    with pytest.raises(Unparseable, match=wrong):
        source().parse(wrapped(depth(**changed)))


# --- tags, names, links -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        {"Severity": "page", "service": "orders-api", "Env": "prod", "cost-center": "42"},
        [
            {"Key": "Severity", "Value": "page"},
            {"key": "service", "value": "orders-api"},
            {"Key": "Env", "Value": "prod"},
            {"Key": "cost-center", "Value": "42"},
        ],
    ],
)
def test_tags_name_severity_service_and_environment(tags: object) -> None:
    alert = told(depth(AlarmTags=tags))
    assert (alert.severity, alert.service, alert.environment) == (Severity.CRITICAL, "orders-api", "prod")
    assert alert.labels["tag_cost_center"] == "42"


def test_without_a_tag_the_option_says_how_severe_an_alarm_is() -> None:
    assert told(DEPTH, severity="warning").severity is Severity.WARNING
    assert told(depth(AlarmTags={"severity": "who knows"}), severity="warning").severity is Severity.WARNING


@pytest.mark.parametrize(
    ("dimensions", "service"),
    [
        ({"TargetGroup": "targetgroup/shop-web/73e2d6bc24d8a067", "LoadBalancer": "app/x/1"}, "shop-web"),
        ({"ClusterName": "prod", "ServiceName": "carts"}, "carts"),
        ({"FunctionName": "resize"}, "resize"),
        ({"DBInstanceIdentifier": "ledger"}, "ledger"),
        ({"LoadBalancer": "app/shop/50dc6c495c0c9188"}, "shop"),
        ({"LoadBalancer": "net/edge/1", "AvailabilityZone": "a"}, "edge"),
        ({"LoadBalancerName": "classic"}, "classic"),
        ({"TableName": "orders"}, "orders"),
        ({"InstanceId": "i-0abc"}, "AWS/SQS"),
        ({}, "AWS/SQS"),
    ],
)
def test_without_a_tag_the_dimensions_name_the_service_else_the_namespace(
    dimensions: dict[str, str], service: str
) -> None:
    listed = [{"name": name, "value": value} for name, value in dimensions.items()]
    assert told(trigger(Dimensions=listed)).service == service


def test_dimensions_are_read_in_all_three_spellings_of_aws() -> None:
    listed = [{"name": "QueueName", "value": "orders"}, {"name": "Stage", "value": "blue"}]
    expected = {"QueueName": "orders", "Stage": "blue"}
    assert pairs(listed) == pairs(expected) == expected
    assert pairs([{"Name": i["name"], "Value": i["value"]} for i in listed]) == expected
    assert pairs([3, {}, {"name": 1, "value": "x"}, {"name": "x"}]) == pairs(None) == pairs("x") == {}


@pytest.mark.parametrize(
    ("partition", "region", "url"),
    [
        (
            "aws",
            "eu-west-1",
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/{}",
        ),
        (
            "aws-cn",
            "cn-north-1",
            "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#alarmsV2:alarm/{}",
        ),
        (
            "aws-us-gov",
            "us-gov-west-1",
            "https://us-gov-west-1.console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1#alarmsV2:alarm/{}",
        ),
        ("aws-iso", "us-iso-east-1", ""),
    ],
)
def test_the_link_opens_the_alarm_in_the_console_of_its_partition(partition: str, region: str, url: str) -> None:
    identity = Identity(partition, region, ACCOUNT, "Prod / API 5xx > 1%")
    assert console(identity) == url.format("Prod%20%2F%20API%205xx%20%3E%201%25")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("QueueName", "queue_name"),
        ("DBInstanceIdentifier", "db_instance_identifier"),
        ("pod-name", "pod_name"),
        ("aws:cloudformation:stack-name", "aws_cloudformation_stack_name"),
        ("", ""),
    ],
)
def test_names_of_dimensions_become_labels(name: str, label: str) -> None:
    assert snake(name) == label


# --- EventBridge ------------------------------------------------------------------------------------------


def event(**changed: object) -> dict[str, Any]:
    metric = {
        "namespace": "AWS/SQS",
        "name": "ApproximateNumberOfMessagesVisible",
        "dimensions": {"QueueName": "orders"},
    }
    query = {"id": "m", "metricStat": {"metric": metric, "period": 60, "stat": "Maximum"}, "returnData": True}
    state = {
        "value": "ALARM",
        "reason": DEPTH["NewStateReason"],
        "reasonData": '{"version":"1.0","recentDatapoints":[5.0,7.5,9.0],"threshold":5.0}',
        "timestamp": "2026-03-14T09:26:50.123+0000",
    }
    detail = {
        "alarmName": "orders-queue-depth",
        "state": state | changed,
        "previousState": {"value": "OK", "timestamp": "2026-03-13T00:00:00.000+0000"},
        "configuration": {"description": DEPTH["AlarmDescription"], "metrics": [query]},
    }
    return {
        "version": "0",
        "id": "5d2b8f0a-4d7e-4a8e-9a4f-0c6f1b2a3d4e",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": ACCOUNT,
        "time": "2026-03-14T09:26:50Z",
        "region": REGION,
        "resources": [DEPTH["AlarmArn"]],
        "detail": detail,
    }


@pytest.mark.parametrize("state", ["ALARM", "OK"])
def test_sns_and_eventbridge_tell_the_same_change_as_one_statement_of_one_problem(state: str) -> None:
    direct, bridged = told(depth(NewStateValue=state)), told(event(value=state))
    assert bridged.fingerprint == direct.fingerprint
    assert bridged.event_id == direct.event_id
    assert (bridged.status, bridged.at, bridged.title) == (direct.status, direct.at, direct.title)
    assert (bridged.service, bridged.url, bridged.summary) == (direct.service, direct.url, direct.summary)
    assert (bridged.labels, bridged.links) == (direct.labels, direct.links)


def test_an_event_shows_the_newest_datapoints() -> None:
    assert told(event()).details.splitlines()[-1] == "Datapoints: 5, 7.5, 9"


def test_an_event_without_resources_is_known_by_account_region_and_name() -> None:
    assert told(event() | {"resources": []}).fingerprint == told(DEPTH).fingerprint


def test_an_events_trace_header_is_carried_to_where_traces_are_looked_for() -> None:
    header = "Root=1-69b52b4a-0123456789abcdef01234567;Sampled=1"
    assert told(event() | {"trace-header": header}).carriers == {"X-Amzn-Trace-Id": header}
    assert told(event()).carriers == {}


def test_a_composite_alarm_as_event_shows_its_rule_and_children() -> None:
    composite = event(reasonData=json.dumps({"triggeringAlarms": [{"arn": arn("orders-age")}]}))
    composite["detail"]["configuration"] = {"alarmRule": "ALARM(a) OR ALARM(b)"}
    alert = told(composite)
    assert (alert.facts["Alarm rule"], alert.facts["Triggered by"]) == ("ALARM(a) OR ALARM(b)", "orders-age")


def test_an_alarm_whose_actions_cloudwatch_suppresses_is_ignored_with_the_reason_but_still_resolves() -> None:
    by = {"actionsSuppressedBy": "WaitPeriod", "actionsSuppressedReason": "Actions suppressed by WaitPeriod"}
    assert "suppressed by WaitPeriod" in ignored(event(**by))
    assert "Alarm" in ignored(event(actionsSuppressedBy="Alarm"))
    assert told(event(value="OK", **by)).status is Status.RESOLVED


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (event() | {"replay-name": "drill"}, "drill"),
        (event() | {"detail-type": "CloudWatch Alarm Configuration Change"}, "no change of its state"),
        ({"detail-type": "EC2 Spot Instance Interruption Warning", "detail": {}}, "EC2 Spot Instance Interruption"),
        ({"Event": "autoscaling:TEST_NOTIFICATION", "Service": "AWS Auto Scaling"}, "TEST_NOTIFICATION"),
        ({"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}, "TERMINATING"),
    ],
)
def test_known_news_that_are_no_alarms_are_ignored_by_name(message: object, reason: str) -> None:
    assert reason in ignored(message)


@pytest.mark.parametrize("detail", [None, {}, {"alarmName": "x"}, {"alarmName": "x", "state": {"value": "ALARM"}}])
def test_an_event_without_its_state_is_unparseable(detail: object) -> None:
    with pytest.raises(Unparseable, match="Message"):
        source().parse(wrapped(event() | {"detail": detail}))


# --- other messages ---------------------------------------------------------------------------------------


def other(text: object, subject: str | None = None) -> Alert:
    parsed = source(severity="warning").parse(wrapped(text, subject))
    assert isinstance(parsed, list)
    return parsed[0]


def test_a_message_that_is_no_alarm_is_an_alert_by_its_subject_or_first_line() -> None:
    alert = other("\n  backup failed: exit 3 \nsee the log", None)
    assert (alert.title, alert.status, alert.severity) == ("backup failed: exit 3", Status.FIRING, Severity.WARNING)
    assert (alert.at, alert.details) == (NOW, "\n  backup failed: exit 3 \nsee the log")
    assert alert.labels == {"topic": "pages", "region": REGION, "account": ACCOUNT}
    assert other("exit 3", "Backup failed").title == "Backup failed"
    assert other({"AlarmName": "x"}).title == "Message from pages"
    assert other("[]").title == "[]"
    assert len(other("x" * 5000).title) == 200


def test_messages_of_one_subject_are_one_problem_and_each_is_its_own_statement() -> None:
    first, second, third = other("a", "Backup"), other("b", "Backup"), other("a", "Restore")
    assert first.fingerprint == second.fingerprint != third.fingerprint
    assert first.event_id != second.event_id


# --- the proof, through the source ------------------------------------------------------------------------


def test_a_signed_alarm_is_proven_and_only_the_first_one_needs_the_network(world: World) -> None:
    cloudwatch: Source = source(signing_hosts=[world.host])
    posted = request(world.sns.notification(TOPIC, "ALARM", json.dumps(DEPTH), NOW))
    assert cloudwatch.needs_io(posted)
    cloudwatch.verify(posted)
    assert not cloudwatch.needs_io(posted)
    assert len(world.asked) == 1
    assert isinstance(cloudwatch.parse(posted), list)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 50_000])
def test_what_is_no_envelope_is_unverified_and_needs_no_network(body: bytes) -> None:
    assert not source().needs_io(request(body))
    with pytest.raises(Unverified):
        source().verify(request(body))


def test_a_subscription_is_confirmed_by_one_visit_once_it_is_proven(world: World) -> None:
    cloudwatch = source(signing_hosts=[world.host])
    posted = request(world.sns.confirmation(TOPIC, NOW))
    cloudwatch.verify(posted)
    assert cloudwatch.needs_io(posted)
    handshake = cloudwatch.parse(posted)
    assert isinstance(handshake, Handshake)
    assert world.sns.confirmed == []
    handshake.act()
    assert world.sns.confirmed == [TOPIC]
    assert handshake.note == f"subscription to {TOPIC}"


def test_a_subscription_is_left_to_the_operator_when_auto_confirm_is_off(world: World) -> None:
    parsed = source(signing_hosts=[world.host], auto_confirm=False).parse(request(world.sns.confirmation(TOPIC, NOW)))
    assert isinstance(parsed, Ignored)
    assert f"aws sns confirm-subscription --topic-arn {TOPIC} --token " in parsed.reason


def test_a_confirmation_of_an_unlisted_topic_causes_no_connection(world: World) -> None:
    with pytest.raises(Unverified, match="topic_arns"):
        source(signing_hosts=[world.host]).verify(request(world.sns.confirmation(TOPIC + "-mine", NOW)))
    assert world.asked == []


def test_a_proven_confirmation_that_points_elsewhere_is_unparseable_and_not_visited(world: World) -> None:
    elsewhere = sns.notification(TOPIC, None, "", NOW)
    asked = msgspec.structs.replace(
        elsewhere, type=sns.CONFIRMATION, token="t", subscribe_url=f"http://127.0.0.1:1/?TopicArn={TOPIC}"
    )
    posted = request(msgspec.json.encode(world.sns.signer.sign(asked)))
    cloudwatch = source(signing_hosts=[world.host])
    cloudwatch.verify(posted)
    with pytest.raises(Unparseable, match="not visited"):
        cloudwatch.parse(posted)


def test_an_unsubscription_is_never_visited(world: World) -> None:
    asked = msgspec.json.decode(world.sns.confirmation(TOPIC, NOW), type=sns.Envelope)
    gone = world.sns.signer.sign(msgspec.structs.replace(asked, type=sns.UNSUBSCRIBED))
    posted = request(msgspec.json.encode(gone))
    cloudwatch = source(signing_hosts=[world.host])
    cloudwatch.verify(posted)
    assert isinstance(parsed := cloudwatch.parse(posted), Ignored)
    assert "subscribe again" in parsed.reason
    assert world.asked == [world.sns.signer.certificate_url.removeprefix(world.url)]


# --- raw delivery and the path's secret -------------------------------------------------------------------

RAW = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC, "x-amz-sns-message-id": "m-1"}


def test_raw_delivery_is_refused_without_a_path_secret() -> None:
    posted = request(json.dumps(DEPTH).encode(), headers=RAW, path_secret=SECRET)
    assert not source().needs_io(posted)
    with pytest.raises(Unverified, match="raw message delivery"):
        source().verify(posted)


def test_raw_delivery_is_proven_by_the_path_secret_and_tells_the_same_problem() -> None:
    cloudwatch = source(path_secret=SECRET)
    posted = request(json.dumps(DEPTH).encode(), headers=RAW, path_secret=SECRET)
    cloudwatch.verify(posted)
    assert cloudwatch.parse(posted) == [told(DEPTH)]


@pytest.mark.parametrize("given", ["", SECRET[:-1], SECRET + "x", SECRET.upper(), "é", "\ud800"])
def test_a_wrong_path_secret_is_refused_for_raw_and_for_signed_messages(world: World, given: str) -> None:
    cloudwatch = source(path_secret=SECRET, signing_hosts=[world.host])
    raw = request(json.dumps(DEPTH).encode(), headers=RAW, path_secret=given)
    signed = request(world.sns.notification(TOPIC, None, json.dumps(DEPTH), NOW), path_secret=given)
    for posted in (raw, signed):
        with pytest.raises(Unverified, match="path_secret"):
            cloudwatch.verify(posted)
    assert world.asked == []


def test_a_raw_message_of_an_unlisted_topic_is_refused_and_bytes_that_are_no_text_are_unparseable() -> None:
    cloudwatch = source(path_secret=SECRET)
    for topic in ({"x-amz-sns-topic-arn": TOPIC + "2"}, {"x-amz-sns-topic-arn": ""}):
        with pytest.raises(Unverified, match="topic_arns"):
            cloudwatch.verify(request(b"x", headers=RAW | topic, path_secret=SECRET))
    with pytest.raises(Unparseable):
        cloudwatch.parse(request(b"\xff", headers=RAW, path_secret=SECRET))


def test_the_path_secret_never_shows() -> None:
    options = CloudWatchOptions.model_validate({"topic_arns": [TOPIC], "path_secret": SECRET})
    assert SECRET not in repr(options)


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topic_arns": []}, "at least 1"),
        ({"topic_arns": ["pages"]}, "copy it from the SNS console"),
        ({"topic_arns": [TOPIC + "\n"]}, "no ARN of an SNS topic"),
        ({"topic_arns": [TOPIC + ":2bcfbf39-05c3-41de-beaa-fcfcc21c8f55"]}, "no ARN of an SNS topic"),
        ({"topic_arns": ["arn:aws:sqs:eu-central-1:210987654321:pages"]}, "no ARN of an SNS topic"),
        ({"signing_hosts": ["http://localhost:4566"]}, "write host or host:port"),
        ({"signing_hosts": ["me@localhost"]}, "write host or host:port"),
        ({"signature_versions": []}, "at least 1"),
        ({"signature_versions": [3]}, "1 or 2"),
        ({"insufficient_data": "page"}, "'ignore' or 'warn'"),
        ({"severity": "loud"}, "'info', 'warning', 'error' or 'critical'"),
        ({"max_age": "long"}, "not a duration"),
        ({"path_secret": ""}, "at least 16"),
        ({"topics": []}, "Extra inputs"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_to_write(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source(**options)


def test_gov_and_china_topics_are_topics() -> None:
    source(topic_arns=["arn:aws-us-gov:sns:us-gov-west-1:210987654321:a", "arn:aws-cn:sns:cn-north-1:210987654321:b"])


# --- samples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"path_secret": SECRET}])
def test_a_sample_is_proven_by_the_attached_signer_and_ok_resolves_what_alarm_opened(
    world: World, options: dict[str, object]
) -> None:
    cloudwatch = source(signing_hosts=[world.host], **options)
    cloudwatch.signer = world.sns.signer
    alerts = [_accepted(cloudwatch, status, NOW + timedelta(minutes=n)) for n, status in enumerate(Status)]
    assert [a.status for a in alerts] == [Status.FIRING, Status.RESOLVED, Status.FIRING]
    assert len({a.fingerprint for a in alerts}) == 1
    assert alerts[0].at == NOW
    assert (alerts[0].severity, alerts[0].service) == (Severity.CRITICAL, "checkout-api")


def _accepted(cloudwatch: CloudWatch, status: Status, now: datetime) -> Alert:
    sample = cloudwatch.sample(status, now)
    posted = Request(headers=sample.headers, body=sample.body, received_at=now, path_secret=sample.path_secret)
    cloudwatch.verify(posted)
    parsed = cloudwatch.parse(posted)
    assert isinstance(parsed, list)
    return parsed[0]


def test_a_sample_without_a_signer_goes_raw_where_a_path_secret_proves_it() -> None:
    assert _accepted(source(path_secret=SECRET), Status.FIRING, NOW).title == "checkout-api-5xx"


def test_a_sample_nobody_could_sign_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(CannotSign, match="set-alarm-state"):
        source().sample(Status.FIRING, NOW)


# --- anything at all, under a right signature -------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def spoiled(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a message with some of its fields replaced by anything."""
    return st.dictionaries(st.sampled_from(sorted(whole)), JSON, max_size=4).map(lambda some: whole | some)


MESSAGES = (
    spoiled(DEPTH)
    | spoiled(DEPTH["Trigger"]).map(lambda spoilt: depth(Trigger=spoilt))  # type: ignore[arg-type]
    | spoiled(event())
    | spoiled(event()["detail"]).map(lambda spoilt: event() | {"detail": spoilt})
    | spoiled(event()["detail"]["state"]).map(lambda spoilt: event(**spoilt))
    | JSON
)


@pytest.fixture(scope="module")
def warning(server: World) -> CloudWatch:
    """A source that drops as little as it can."""
    return source(signing_hosts=[server.host], insufficient_data="warn")


def understood(cloudwatch: CloudWatch, posted: Request) -> Parsed | str:
    """Return what a request says, or why it can't be understood; every other exception is a bug."""
    try:
        return cloudwatch.parse(posted)
    except Unparseable as why:
        return str(why)


@settings(max_examples=400, deadline=None)
@given(
    MESSAGES.map(json.dumps) | st.text(max_size=200), st.none() | st.text(max_size=30).filter(lambda s: "\n" not in s)
)
def test_any_message_under_a_right_signature_is_alerts_ignored_or_unparseable(
    server: World, warning: CloudWatch, text: str, subject: str | None
) -> None:
    posted = request(server.sns.notification(TOPIC, subject, text, NOW))
    warning.verify(posted)
    parsed = understood(warning, posted)
    assert parsed
    assert isinstance(parsed, list | Ignored | str)
    for alert in parsed if isinstance(parsed, list) else []:
        assert alert.title
        assert alert.at.tzinfo
        assert all(isinstance(v, str) and v for v in (*alert.labels.values(), *alert.facts.values()))


CONFIRMED = st.sampled_from(["Type", "MessageId", "Message", "Subject", "Token", "SubscribeURL", "Timestamp"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(CONFIRMED, JSON | st.just(sns.CONFIRMATION)))
def test_an_envelope_spoilt_after_it_was_signed_is_unverified(
    server: World, warning: CloudWatch, fields: dict[str, Any]
) -> None:
    signed = json.loads(server.sns.confirmation(TOPIC, NOW))
    spoilt = request(json.dumps(signed | fields).encode())
    if signed_text(spoilt) == signed_text(request(json.dumps(signed).encode())):
        return warning.verify(spoilt)
    with pytest.raises(Unverified):
        warning.verify(spoilt)
    assert understood(warning, spoilt)
    return None


def signed_text(posted: Request) -> object:
    """Return the signed text, or that there is none."""
    try:
        return sns.canonical(sns.decode(posted.body))
    except ValueError:
        return None
