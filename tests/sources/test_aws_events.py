"""What load balancers and orchestrators of AWS say, from the message to the incident."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Link, Severity, Status
from bridge.domain.incident import Change, Incident
from bridge.ports import Ignored, Unparseable
from bridge.sources.aws_events import READERS
from tests.sources import aws_payloads as aws
from tests.sources.aws_payloads import ACCOUNT, REGION, Json, arn, changed, heard, ignored, told

CONSOLE = f"https://{REGION}.console.aws.amazon.com"


def day(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-14T{clock}+00:00")


def lived(*messages: Json) -> tuple[list[Change], Incident | None]:
    """Return what each message did, and the one incident they made."""
    incident: Incident | None = None
    seen: set[str] = set()
    changes: list[Change] = []
    alerts = [told(message) for message in messages]
    assert len({alert.fingerprint for alert in alerts}) == 1
    for alert in alerts:
        incident, change = advance(incident, alert, seen, timedelta(hours=1))
        seen.add(alert.event_id)
        changes.append(change)
    return changes, incident


def open_then_resolved(*messages: Json) -> list[str]:
    """Return the history of the incident that the first message opens and the last one resolves."""
    changes, incident = lived(*messages)
    assert changes[0] is Change.OPENED
    assert changes[-1] is Change.RESOLVED
    assert incident is not None
    assert not incident.open
    return [entry.text for entry in incident.timeline]


# --- ECS: tasks -------------------------------------------------------------------------------------------


def test_a_task_that_stopped_by_itself_says_why_in_the_words_of_aws() -> None:
    alert = told(aws.TASK)

    assert (alert.status, alert.severity, alert.service) == (Status.FIRING, Severity.ERROR, "checkout-api")
    assert alert.title == "checkout-api: a task stopped by itself"
    assert alert.summary == (
        "Essential container in task exited. app: exit code 137, OutOfMemoryError: Container killed due to memory usage"
    )
    assert alert.at == day("09:00:50.500")
    assert alert.url == f"{CONSOLE}/ecs/v2/clusters/prod/tasks/9c4f2d8c0a5b4f0ea1b2c3d4e5f60718?region={REGION}"
    assert alert.labels == {
        "account": ACCOUNT,
        "region": REGION,
        "aws_service": "ecs",
        "cluster": "prod",
        "event": "EssentialContainerExited",
    }
    assert alert.facts == {
        "Region": REGION,
        "Account": ACCOUNT,
        "Cluster": "prod",
        "Task": "9c4f2d8c0a5b4f0ea1b2c3d4e5f60718",
        "Task definition": "checkout-api:118",
        "Containers": "app: exit code 137, OutOfMemoryError: Container killed due to memory usage",
        "Image": "registry.example.com/checkout-api:3f9c2ab",
        "Availability zone": "eu-central-1a",
        "Launch type": "FARGATE",
    }


def task(**detail: object) -> Json:
    return changed(aws.TASK, **detail)


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        ("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried", "failed to start"),
        ("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn:aws:x)", "health checks"),
        ("ServiceSchedulerInitiated", "Task failed container health checks", "health checks"),
    ],
)
def test_a_task_that_can_not_start_or_is_unhealthy_is_firing(code: str, reason: str, words: str) -> None:
    alert = told(task(stopCode=code, stoppedReason=reason, containers=[]))

    assert alert.status is Status.FIRING
    assert words in alert.title
    assert alert.summary == reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/123)"),
        ("UserInitiated", "Task stopped by user"),
        ("SpotInterruption", "Your Spot Task was interrupted."),
        ("TerminationNotice", "The instance is being drained"),
        (None, "Host EC2 (instance i-0abc) terminated."),
        (None, None),
    ],
)
def test_a_task_that_stops_as_it_was_meant_to_is_ignored(code: str | None, reason: str | None) -> None:
    assert "stopped as meant" in ignored(task(stopCode=code, stoppedReason=reason))


@pytest.mark.parametrize("status", ["PROVISIONING", "RUNNING", "DEPROVISIONING"])
def test_a_task_that_has_not_stopped_is_ignored(status: str) -> None:
    assert status in ignored(task(lastStatus=status))


def container(name: str, code: int | None) -> Json:
    return {"name": name, "exitCode": code}


@pytest.mark.parametrize(
    ("codes", "bad"),
    [((0,), False), ((0, 143), False), ((143,), True), ((1, 0), True), ((0, 137), True), ((None,), True), ((), True)],
)
def test_exit_codes_decide_and_a_sidecar_told_to_stop_does_not_count(codes: tuple[int | None, ...], bad: bool) -> None:
    said = heard(task(containers=[container(f"c{n}", code) for n, code in enumerate(codes)]))

    assert isinstance(said, Alert) is bad


def test_a_stopped_task_told_again_is_one_statement_and_each_task_of_a_service_counts() -> None:
    again = changed(aws.TASK, version=7, updatedAt="2026-03-14T09:02:00Z") | {"id": "another"}
    other = task(taskArn=arn("ecs", "task/prod/ffff"), stoppingAt="2026-03-14T09:01:50Z")
    changes, incident = lived(aws.TASK, again, other)

    assert changes == [Change.OPENED, Change.DUPLICATE, Change.REPEATED]
    assert incident is not None
    assert incident.count == 2


def test_a_scheduled_task_that_ends_well_resolves_what_the_run_before_opened() -> None:
    failed = task(group="family:nightly-report", containers=[container("report", 1)])
    well = changed(
        failed,
        taskArn=arn("ecs", "task/prod/2"),
        stoppingAt="2026-03-14T09:10:00Z",
        containers=[container("report", 0)],
    )

    assert told(failed).service == "nightly-report"
    assert open_then_resolved(failed, well)[-1].startswith("resolved after 9 min")


# --- ECS: services and deployments ------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [aws.TASK, aws.PLACEMENT, aws.IMPAIRED, aws.FAILED])
@pytest.mark.parametrize("ending", [aws.STEADY, aws.COMPLETED])
def test_whatever_opened_the_problem_of_a_service_its_recovery_resolves_it(opening: Json, ending: Json) -> None:
    open_then_resolved(opening, ending)


def test_a_bad_deployment_is_one_incident_with_the_whole_story() -> None:
    changes, incident = lived(aws.IMPAIRED, aws.TASK, aws.FAILED, aws.PROGRESS, aws.COMPLETED, aws.STEADY)

    assert changes == [
        *(Change.OPENED, Change.REPEATED, Change.REPEATED),
        *(Change.NOTED, Change.RESOLVED, Change.MOOT),
    ]
    assert incident is not None
    assert incident.title == "checkout-api: deployment failed"
    assert incident.summary == ("ECS deployment circuit breaker: tasks failed to start. (SERVICE_DEPLOYMENT_FAILED)")
    assert incident.url == f"{CONSOLE}/ecs/v2/clusters/prod/services/checkout-api/health?region={REGION}"


def test_events_of_a_service_in_any_order_end_the_same() -> None:
    messages = (aws.TASK, aws.FAILED, aws.COMPLETED)
    ends = {(i.status, i.count, i.title) for _, i in (lived(*order) for order in permutations(messages)) if i}

    assert ends == {(Status.RESOLVED, 2, "checkout-api: deployment failed")}


def test_a_service_of_another_cluster_is_another_problem_and_the_short_arn_takes_the_cluster_from_the_event() -> None:
    short = aws.STEADY | {"resources": [arn("ecs", "service/checkout-api")]}
    other = aws.STEADY | {"resources": [arn("ecs", "service/staging/checkout-api")]}

    assert told(short).fingerprint == told(aws.STEADY).fingerprint != told(other).fingerprint


@pytest.mark.parametrize("name", ["TASKSET_STEADY_STATE", "CAPACITY_PROVIDER_STEADY_STATE", "TASKS_STOPPED"])
def test_news_of_a_service_that_are_no_problem_are_ignored_by_name(name: str) -> None:
    assert name in ignored(aws.rollout(name, "INFO", "09:00:00"))


def test_a_warning_ecs_invents_later_is_firing_by_its_own_name() -> None:
    assert told(aws.rollout("SERVICE_ON_FIRE", "WARN", "09:00:00")).title == "checkout-api: SERVICE_ON_FIRE"


# --- Auto Scaling -----------------------------------------------------------------------------------------


def test_a_launch_that_failed_says_why_in_the_words_of_aws_and_both_ways_are_one_statement() -> None:
    by_bridge = told(aws.event("EC2 Instance Launch Unsuccessful", aws.ACTIVITY, resources=(aws.GROUP_ARN,)))

    assert by_bridge == told(aws.SPOKEN)
    assert by_bridge.title == "checkout-workers: an instance could not be launched"
    assert by_bridge.summary == aws.ACTIVITY["StatusMessage"]
    assert by_bridge.details == aws.ACTIVITY["Cause"]
    assert (by_bridge.service, by_bridge.at) == ("checkout-workers", day("09:00:10.812"))
    assert (
        by_bridge.url == f"{CONSOLE}/ec2/home?region={REGION}#AutoScalingGroupDetails:id=checkout-workers;view=activity"
    )
    assert by_bridge.facts["Availability zone"] == "eu-central-1b"
    assert by_bridge.labels["event"] == "EC2_INSTANCE_LAUNCH_ERROR"


@pytest.mark.parametrize("word", ["Launch", "Terminate", "Detach"])
def test_an_instance_that_could_be_moved_resolves_that_none_could(word: str) -> None:
    failed = aws.activity(f"{word} Unsuccessful", "09:00:10")
    well = aws.activity(f"{word} Successful", "09:05:10", StatusCode="InProgress", StatusMessage="")

    assert open_then_resolved(failed, well)[-1].startswith("resolved after 5 min: an instance could be")


def test_a_group_speaks_through_sns_too_and_a_termination_resolves_no_launch() -> None:
    later = {"ActivityId": "other", "EndTime": "2026-03-14T09:10:00.000Z", "StatusMessage": ""}
    launched = aws.SPOKEN | later | {"Event": "autoscaling:EC2_INSTANCE_LAUNCH"}
    terminated = aws.SPOKEN | later | {"Event": "autoscaling:EC2_INSTANCE_TERMINATE"}

    open_then_resolved(aws.SPOKEN, launched)
    assert told(terminated).fingerprint != told(aws.SPOKEN).fingerprint


def test_an_instance_refresh_that_fails_is_resolved_by_the_next_that_succeeds() -> None:
    open_then_resolved(aws.refresh("Failed", "09:00:00"), aws.refresh("Succeeded", "09:20:00"))
    open_then_resolved(aws.refresh("Rollback Started", "09:00:00"), aws.refresh("Rollback Succeeded", "09:20:00"))
    assert "not read" in ignored(aws.refresh("Started", "09:00:00"))


# --- canaries ---------------------------------------------------------------------------------------------

STARTED = int(day("09:00:00").timestamp())


def test_a_canary_that_fails_says_what_it_saw() -> None:
    alert = told(aws.canary("Failure", STARTED))

    assert (alert.title, alert.service) == ("checkout-happy-path: canary failed", "checkout-happy-path")
    assert alert.summary == "Error: Step 'pay' expected 200 got 503"
    assert alert.at == day("09:00:00")
    assert alert.url == f"{CONSOLE}/cloudwatch/home?region={REGION}#synthetics:canary/detail/checkout-happy-path"
    assert alert.facts["Artifacts"].endswith("/09")


def test_a_run_that_passes_resolves_the_failed_ones_and_the_error_of_the_canary_itself() -> None:
    failures = [aws.canary("Failure", STARTED + n * 60) for n in range(3)]
    well = aws.canary("Successful", STARTED + 300)

    assert open_then_resolved(*failures, well)[-1] == "resolved after 5 min: the run passed"
    open_then_resolved(aws.canary_state("ERROR", STARTED + 0.5), well)


def test_a_canary_that_is_stopped_leaves_a_note_and_one_that_is_deleted_resolves() -> None:
    changes, incident = lived(aws.canary("Failure", STARTED), aws.canary_state("STOPPED", STARTED + 60.0))

    assert changes == [Change.OPENED, Change.NOTED]
    assert incident is not None
    open_then_resolved(aws.canary("Failure", STARTED), aws.canary_state("DELETING", STARTED + 60.0))
    assert "RUNNING" in ignored(aws.canary_state("RUNNING", STARTED))


@pytest.mark.parametrize("timeline", [None, {}, {"completed": "now"}, {"completed": 1e300}, {"completed": -1}])
def test_a_run_without_a_time_is_dated_by_its_event(timeline: object) -> None:
    message = changed(aws.canary("Failure", STARTED), **{"canary-run-timeline": timeline})

    assert told(message | {"time": "2026-03-14T09:07:00Z"}).at == day("09:07:00")


# --- AWS Health -------------------------------------------------------------------------------------------


def test_a_health_event_is_about_the_region_and_account_it_names_not_those_it_was_delivered_to() -> None:
    alert = told(aws.HEALTH)

    assert alert.title == "AWS EC2 in eu-west-1: AWS_EC2_OPERATIONAL_ISSUE"
    assert alert.summary == "We are investigating increased API error rates."
    assert (alert.labels["region"], alert.labels["account"]) == ("eu-west-1", "310987654321")
    assert (alert.severity, alert.at) == (Severity.ERROR, day("09:20:00"))
    assert alert.facts["Affected"] == "i-0abc, i-0def"
    assert alert.url.startswith(
        "https://health.aws.amazon.com/health/home#/account/event-log?eventID=arn%3Aaws%3Ahealth"
    )


def test_a_health_event_that_closes_resolves_and_its_copies_and_pages_are_one_statement() -> None:
    copy = changed(aws.HEALTH, page="2", totalPages="2") | {"region": "us-west-2", "id": "another"}
    closed = changed(
        aws.HEALTH, statusCode="closed", communicationId="later", lastUpdatedTime="Sat, 14 Mar 2026 09:25:00 GMT"
    )
    changes, incident = lived(aws.HEALTH, copy, closed)

    assert changes == [Change.OPENED, Change.DUPLICATE, Change.RESOLVED]
    assert incident is not None
    assert incident.resolved_at == day("09:25:00")


@pytest.mark.parametrize(
    ("category", "severity"),
    [
        ("investigation", Severity.WARNING),
        ("scheduledChange", Severity.INFO),
        ("accountNotification", Severity.INFO),
        ("something new", Severity.ERROR),
    ],
)
def test_the_category_of_a_health_event_decides_its_severity(category: str, severity: Severity) -> None:
    assert told(changed(aws.HEALTH, eventTypeCategory=category)).severity is severity


def test_a_health_event_without_a_readable_time_is_dated_by_its_event() -> None:
    assert told(changed(aws.HEALTH, lastUpdatedTime="soon")).at == day("09:21:00")


# --- alarms of load balancers, Route 53 and canaries -------------------------------------------------------


def alarm(namespace: str, region: str = REGION, **dimensions: str) -> Json:
    return {
        "AlarmName": "checkout-api-5xx",
        "AWSAccountId": ACCOUNT,
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 1 datapoint [0.0] was less than the threshold (1.0).",
        "StateChangeTime": "2026-03-14T09:00:00.000+0000",
        "AlarmArn": f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:checkout-api-5xx",
        "Trigger": {
            "MetricName": "HealthCheckStatus",
            "Namespace": namespace,
            "Dimensions": [{"name": name, "value": value} for name, value in dimensions.items()],
            "Period": 60,
        },
    }


def test_an_alarm_of_a_target_group_is_its_service_and_links_to_the_targets() -> None:
    for balancer in ("app/checkout/50dc6c495c0c9188", "net/checkout/50dc6c495c0c9188"):
        alert = told(
            alarm("AWS/ApplicationELB", LoadBalancer=balancer, TargetGroup="targetgroup/checkout-api/73e2d6bc24d8a067")
        )
        balancing = f"{CONSOLE}/ec2/home?region={REGION}"
        prefix = f"arn%3Aaws%3Aelasticloadbalancing%3A{REGION}%3A{ACCOUNT}%3A"
        name = balancer.replace("/", "%2F")

        assert alert.service == "checkout-api"
        assert alert.links == (
            Link(
                "Target group",
                f"{balancing}#TargetGroup:targetGroupArn={prefix}targetgroup%2Fcheckout-api%2F73e2d6bc24d8a067",
            ),
            Link("Load balancer", f"{balancing}#LoadBalancer:loadBalancerArn={prefix}loadbalancer%2F{name}"),
        )


def test_an_alarm_of_a_load_balancer_alone_is_named_by_it() -> None:
    assert told(alarm("AWS/NetworkELB", LoadBalancer="net/ingress/50dc6c495c0c9188")).service == "ingress"


def test_an_alarm_of_route_53_is_in_its_one_region_and_links_to_the_health_check() -> None:
    number = "0f8b2c1e-8e0a-4a53-9a55-1c7b0a3f5d11"
    alert = told(alarm("AWS/Route53", "us-east-1", HealthCheckId=number))

    assert (alert.service, alert.labels["region"]) == (number, "us-east-1")
    assert alert.facts["Region"] == "us-east-1 (Route 53 is global)"
    assert alert.links == (
        Link("Health check", f"https://us-east-1.console.aws.amazon.com/route53/healthchecks/home#/details/{number}"),
    )


@pytest.mark.parametrize(
    ("namespace", "name"), [("CloudWatchSynthetics", "CanaryName"), ("AWS/AutoScaling", "AutoScalingGroupName")]
)
def test_an_alarm_of_a_canary_or_a_group_is_its_service(namespace: str, name: str) -> None:
    assert told(alarm(namespace, **{name: "checkout"})).service == "checkout"


def test_dimensions_that_are_no_load_balancers_make_no_links() -> None:
    odd = alarm("x", TargetGroup="targetgroup/a b/1", LoadBalancer="classic", HealthCheckId="#/../x")

    assert told(odd).links == ()


def test_an_alarm_that_is_deleted_while_it_fires_is_over() -> None:
    assert open_then_resolved(alarm("AWS/SQS", QueueName="q"), aws.DELETED)[-1].endswith("the alarm was deleted")


# --- the page -----------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/sources/aws-health.md").read_text()


@pytest.mark.parametrize("kind", sorted(READERS))
def test_the_page_tells_every_event_that_is_read(kind: str) -> None:
    assert f"`{kind}`" in PAGE


def test_the_rules_on_the_page_let_through_what_is_read_and_nothing_else() -> None:
    kinds = set()
    for pattern in map(json.loads, re.findall(r"^rule \S+ +'(.*)'$", PAGE, re.M)):
        named = pattern.get("detail-type", [])
        kinds |= {kind for kind in named if isinstance(kind, str)}
        prefixes = [kind["prefix"] for kind in named if isinstance(kind, dict)]
        assert all(any(kind.startswith(prefix) for kind in READERS) for prefix in prefixes)
    assert kinds <= READERS.keys() | {"CloudWatch Alarm State Change"}


# --- all of them ------------------------------------------------------------------------------------------


def test_the_severity_of_the_config_counts_where_the_event_has_none() -> None:
    assert told(aws.TASK, severity="critical").severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("topic", "console"),
    [
        ("arn:aws-cn:sns:cn-north-1:210987654321:pages", "https://eu-central-1.console.amazonaws.cn/ecs/"),
        ("arn:aws-us-gov:sns:us-gov-west-1:210987654321:pages", "https://eu-central-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_the_partition_is_the_topics_and_has_a_console_of_its_own(topic: str, console: str) -> None:
    there = told(aws.TASK, topic)

    assert there.url.startswith(console)
    assert there.fingerprint != told(aws.TASK).fingerprint
    assert told(aws.HEALTH, topic).url == ""


def test_an_event_type_that_is_not_read_is_ignored_by_name() -> None:
    assert "'ECS Container Instance State Change'" in ignored(aws.event("ECS Container Instance State Change", {}))
    assert len(ignored(aws.event("x" * 100_000, {}))) <= 400
    assert len(ignored(task(stopCode="UserInitiated", stoppedReason="x" * 100_000))) <= 400


@pytest.mark.parametrize("field", ["id", "account", "region", "time", "detail"])
@pytest.mark.parametrize("value", [None, "", 7, "../evil.example.com/", {}])
def test_an_envelope_that_makes_no_sense_is_unparseable_and_says_where(field: str, value: object) -> None:
    if (field, value) == ("id", "../evil.example.com/"):
        return
    with pytest.raises(Unparseable, match="Message"):
        heard(changed(aws.canary("Failure", STARTED), **{"canary-run-timeline": None}) | {field: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the way to every value in a message."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in children:
        yield (*path, name)
        yield from places(inner, (*path, name))


@st.composite
def spoilt(draw: st.DrawFn) -> Json:
    """Return a message in which some values are anything, wherever they are."""
    message = json.loads(json.dumps(draw(st.sampled_from(aws.EVERY))))
    for path in draw(st.lists(st.sampled_from(list(places(message))), max_size=4)):
        inner: Any = message
        for step in path[:-1]:
            inner = inner[step] if isinstance(inner, list) and isinstance(step, int) and step < len(inner) else inner
            inner = inner.get(step) if isinstance(inner, dict) else inner
        if isinstance(inner, dict):
            inner[path[-1]] = draw(JSON | st.just("9999-12-31T23:59:59-23:59") | st.text(min_size=2000, max_size=3000))
    return dict(message)


def understood(message: object) -> Alert | Ignored | str:
    """Return what a message says, or why it can't be understood; every other exception is a bug."""
    try:
        return heard(message)
    except Unparseable as why:
        return str(why)


@settings(max_examples=400, deadline=None)
@given(spoilt())
def test_any_event_is_an_alert_ignored_or_unparseable(message: Json) -> None:
    said = understood(message)
    assert said
    if isinstance(said, Alert):
        assert said.title
        assert len(said.title) <= 200
        assert said.at.tzinfo is UTC
        assert all(isinstance(v, str) and v for v in (*said.labels.values(), *said.facts.values()))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(READERS)), JSON)
def test_any_detail_under_any_type_is_an_alert_ignored_or_unparseable(kind: str, detail: Any) -> None:
    assert understood(aws.event(kind, {}) | {"detail": detail})
