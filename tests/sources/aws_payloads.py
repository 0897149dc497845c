"""Events as AWS systems write them, each made by hand after the page its reader names."""

from __future__ import annotations

import json
import zlib
from copy import deepcopy
from typing import Any

from bridge.domain.alert import Alert
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline.receive import receive
from bridge.ports import Ignored, Request
from bridge.sources.cloudwatch import CloudWatch, CloudWatchOptions
from tests.sources.sns_world import NOW, TOPIC

ACCOUNT, REGION = "210987654321", "eu-central-1"
PATH_SECRET = "correct-horse-battery-staple"
SCRUBBER = Scrubber(ScrubOptions())
Json = dict[str, Any]


def source(**options: object) -> CloudWatch:
    given = {"topic_arns": [TOPIC], "path_secret": PATH_SECRET} | options
    return CloudWatch("aws", CloudWatchOptions.model_validate(given))


def heard(message: object, topic: str = TOPIC, **options: object) -> Alert | Ignored:
    """Return what the receiver makes of a message: proven, parsed and scrubbed."""
    headers = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": topic, "x-amz-sns-message-id": "m-1"}
    body = json.dumps(message).encode()
    request = Request(headers=headers, body=body, received_at=NOW, path_secret=PATH_SECRET)
    parsed = receive(source(topic_arns=[topic], **options), SCRUBBER, request)
    if isinstance(parsed, Ignored):
        return parsed
    assert isinstance(parsed, list)
    (alert,) = parsed
    return alert


def told(message: object, topic: str = TOPIC, **options: object) -> Alert:
    alert = heard(message, topic, **options)
    assert isinstance(alert, Alert), alert
    return alert


def ignored(message: object) -> str:
    said = heard(message)
    assert isinstance(said, Ignored), said
    return said.reason


def event(kind: str, detail: Json, *, at: str = "09:00:00", number: str = "", resources: tuple[str, ...] = ()) -> Json:
    return {
        "version": "0",
        "id": number or f"3317b2af-7005-947d-b652-{zlib.crc32((kind + at).encode()):012}",
        "detail-type": kind,
        "source": "aws.example",
        "account": ACCOUNT,
        "time": f"2026-03-14T{at}Z",
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
    }


def changed(message: Json, **detail: object) -> Json:
    """Return a copy of an event with other words in its detail."""
    copy = deepcopy(message)
    copy["detail"] |= detail
    return copy


def arn(system: str, name: str) -> str:
    return f"arn:aws:{system}:{REGION}:{ACCOUNT}:{name}"


CONTAINER = {
    "containerArn": arn("ecs", "container/prod/9c4f/cf159fd6"),
    "exitCode": 137,
    "lastStatus": "STOPPED",
    "name": "app",
    "reason": "OutOfMemoryError: Container killed due to memory usage",
    "image": "registry.example.com/checkout-api:3f9c2ab",
    "cpu": "0",
}
TASK = event(
    "ECS Task State Change",
    {
        "attachments": [{"id": "1789bcae", "type": "eni", "status": "DELETED", "details": []}],
        "availabilityZone": "eu-central-1a",
        "clusterArn": arn("ecs", "cluster/prod"),
        "containers": [CONTAINER],
        "desiredStatus": "STOPPED",
        "group": "service:checkout-api",
        "lastStatus": "STOPPED",
        "launchType": "FARGATE",
        "startedBy": "ecs-svc/1234567890123456789",
        "startedAt": "2026-03-14T06:00:28.103Z",
        "stoppingAt": "2026-03-14T09:00:50.500Z",
        "stoppedAt": "2026-03-14T09:01:12.000Z",
        "updatedAt": "2026-03-14T09:01:12.000Z",
        "stoppedReason": "Essential container in task exited",
        "stopCode": "EssentialContainerExited",
        "taskArn": arn("ecs", "task/prod/9c4f2d8c0a5b4f0ea1b2c3d4e5f60718"),
        "taskDefinitionArn": arn("ecs", "task-definition/checkout-api:118"),
        "version": 6,
    },
    at="09:01:12",
    resources=(arn("ecs", "task/prod/9c4f2d8c0a5b4f0ea1b2c3d4e5f60718"),),
)


def rollout(name: str, kind: str, at: str, **detail: object) -> Json:
    """Return a service action, or a change of a deployment where the name is one's."""
    service = arn("ecs", "service/prod/checkout-api")
    if name.startswith("SERVICE_DEPLOYMENT"):
        said = {
            "deploymentId": "ecs-svc/123",
            "updatedAt": f"2026-03-14T{at}.250Z",
            "reason": f"ECS deployment {name}.",
        }
        words = {"eventType": kind, "eventName": name} | said | detail
        return event("ECS Deployment State Change", words, at=at, resources=(service,))
    said = {"clusterArn": arn("ecs", "cluster/prod"), "createdAt": f"2026-03-14T{at}.250Z"}
    return event(
        "ECS Service Action", {"eventType": kind, "eventName": name} | said | detail, at=at, resources=(service,)
    )


PLACEMENT = rollout("SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", "09:02:00", reason="RESOURCE:MEMORY")
IMPAIRED = rollout("SERVICE_TASK_START_IMPAIRED", "WARN", "09:03:00")
FAILED = rollout(
    "SERVICE_DEPLOYMENT_FAILED", "ERROR", "09:04:00", reason="ECS deployment circuit breaker: tasks failed to start."
)
PROGRESS = rollout("SERVICE_DEPLOYMENT_IN_PROGRESS", "INFO", "09:05:00")
COMPLETED = rollout("SERVICE_DEPLOYMENT_COMPLETED", "INFO", "09:08:00")
STEADY = rollout("SERVICE_STEADY_STATE", "INFO", "09:09:00")

GROUP_ARN = arn("autoscaling", "autoScalingGroup:042cba90:autoScalingGroupName/checkout-workers")
ACTIVITY = {
    "StatusCode": "Failed",
    "AutoScalingGroupName": "checkout-workers",
    "ActivityId": "87654321-4321-4321-4321-210987654321",
    "Details": {"Availability Zone": "eu-central-1b", "Subnet ID": "subnet-0abc5678"},
    "RequestId": "87654321-4321-4321-4321-210987654321",
    "StatusMessage": "We currently do not have sufficient m7g.large capacity in the Availability Zone you requested.",
    "EndTime": "2026-03-14T09:00:10.812Z",
    "EC2InstanceId": "",
    "StartTime": "2026-03-14T09:00:08.101Z",
    "Cause": "At 2026-03-14T09:00:05Z an instance was started in response to a difference between desired and actual.",
}
SPOKEN = ACTIVITY | {
    "Progress": 100,
    "AccountId": ACCOUNT,
    "Description": "Launching a new EC2 instance.  Status Reason: insufficient capacity",
    "AutoScalingGroupARN": GROUP_ARN,
    "Service": "AWS Auto Scaling",
    "Time": "2026-03-14T09:00:10.900Z",
    "Event": "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
}


def activity(word: str, at: str, **detail: object) -> Json:
    """Return what EventBridge says of an instance: "Launch Unsuccessful" and the like."""
    said = ACTIVITY | {"ActivityId": f"activity-{at}", "EndTime": f"2026-03-14T{at}.812Z"} | detail
    return event(f"EC2 Instance {word}", said, at=at, resources=(GROUP_ARN,))


def refresh(word: str, at: str) -> Json:
    said = {"InstanceRefreshId": "ab00cf8f-9126-4f3c-8010-dbb8cad6fb86", "AutoScalingGroupName": "checkout-workers"}
    return event(f"EC2 Auto Scaling Instance Refresh {word}", said, at=at, resources=(GROUP_ARN,))


def canary(word: str, completed: int, **detail: object) -> Json:
    """Return a canary's run: "Failure" or "Successful"."""
    said = {
        "account-id": ACCOUNT,
        "canary-id": "af3e3a05-dc5a-4f5f-96d1-9989c1d2e3f4",
        "canary-name": "checkout-happy-path",
        "canary-run-id": f"run-{completed}",
        "artifact-location": "cw-syn-results-210987654321-eu-central-1/canary/checkout-happy-path/2026/03/14/09",
        "test-run-status": "FAILED" if word == "Failure" else "PASSED",
        "state-reason": "\"Error: Step 'pay' expected 200 got 503\"" if word == "Failure" else "null",
        "canary-run-timeline": {"started": completed - 6, "completed": completed},
        "message": "Test run result is generated successfully",
    }
    return event(f"Synthetics Canary TestRun {word}", said | detail, number=f"run-{completed}")


def canary_state(state: str, updated: float) -> Json:
    said = {
        "account-id": ACCOUNT,
        "canary-id": "af3e3a05-dc5a-4f5f-96d1-9989c1d2e3f4",
        "canary-name": "checkout-happy-path",
        "current-state": state,
        "previous-state": "UPDATING",
        "source-location": "NULL",
        "updated-on": updated,
        "changed-config": {"vpcId": {"previous-value": "NULL", "current-value": "NULL"}},
        "message": "Canary status has changed",
    }
    return event("Synthetics Canary Status Change", said, number=f"state-{state}")


HEALTH = event(
    "AWS Health Event",
    {
        "eventArn": "arn:aws:health:eu-west-1::event/EC2/AWS_EC2_OPERATIONAL_ISSUE/AWS_EC2_OPERATIONAL_ISSUE_7f35c8ae",
        "service": "EC2",
        "eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE",
        "eventTypeCategory": "issue",
        "eventScopeCode": "PUBLIC",
        "communicationId": "01b0993207d81a09dcd552ebd1e633e36cf1f09a-1",
        "startTime": "Sat, 14 Mar 2026 08:50:00 GMT",
        "lastUpdatedTime": "Sat, 14 Mar 2026 09:20:00 GMT",
        "statusCode": "open",
        "eventRegion": "eu-west-1",
        "eventDescription": [
            {"language": "ko_KR", "latestDescription": "API 오류율 증가를 조사하고 있습니다."},
            {"language": "en_US", "latestDescription": "We are investigating increased API error rates."},
        ],
        "affectedEntities": [{"entityValue": "i-0abc", "status": "IMPAIRED"}, {"entityValue": "i-0def"}],
        "affectedAccount": "310987654321",
        "page": "1",
        "totalPages": "1",
    },
    at="09:21:00",
)
DELETED = event(
    "CloudWatch Alarm Configuration Change",
    {"alarmName": "checkout-api-5xx", "operation": "delete", "state": {"value": "ALARM"}, "configuration": {}},
    at="09:20:00",
    resources=(arn("cloudwatch", "alarm:checkout-api-5xx"),),
)
EVERY: tuple[Json, ...] = (
    *(TASK, PLACEMENT, IMPAIRED, FAILED, PROGRESS, COMPLETED, STEADY, SPOKEN, HEALTH, DELETED),
    *(activity("Launch Unsuccessful", "09:00:10"), activity("Terminate Successful", "09:00:11")),
    *(refresh("Failed", "09:00:12"), canary("Failure", 1_773_478_000), canary_state("ERROR", 1_773_478_060.5)),
)
