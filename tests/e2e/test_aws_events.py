"""What ECS says of one bad deployment, signed by SNS and told out of order, is one message and one issue."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from bridge.ports import Sample
from bridge.sandbox.jira.state import Issue
from bridge.sandbox.slack_workspace import SlackMessage
from tests.e2e.bridge_processes import until
from tests.e2e.conftest import World
from tests.e2e.test_one_problem import post, shown
from tests.sources import aws_payloads as aws

TOPIC = "arn:aws:sns:ap-northeast-2:123456789012:alarms"
SERVICE = "checkout-api: "


def say(world: World, *events: aws.Json) -> None:
    """Post events as SNS delivers them."""
    for event in events:
        body = world.sandbox.sns.notification(TOPIC, None, json.dumps(event), datetime.now(UTC))
        assert post(world, "cloudwatch", Sample(headers={}, body=body)).status_code == 202


def roots(world: World) -> list[SlackMessage]:
    return [m for m in world.sandbox.slack.messages() if SERVICE in shown(m)]


def issues(world: World) -> list[Issue]:
    return [i for i in world.sandbox.jira.issues if SERVICE in i.fields["summary"]]


def test_a_bad_deployment_and_its_recovery_are_one_message_and_one_issue(world: World) -> None:
    say(world, aws.PLACEMENT, aws.FAILED, aws.TASK, aws.TASK)
    until(lambda: any("deployment failed" in shown(m) for m in roots(world)), "the message tells the newest")
    until(lambda: bool(issues(world)), "the issue is there")

    say(world, aws.STEADY, aws.PROGRESS)
    until(lambda: "Resolved" in shown(roots(world)[0]), "the message says resolved")
    until(lambda: issues(world)[0].status == "Done", "the issue is closed")
    (root,) = roots(world)

    (issue,) = issues(world)
    assert issue.fields["summary"].startswith(SERVICE)
    assert "circuit breaker" in shown(root)
    assert "eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/checkout-api" in shown(root)
    assert [reply.text.rpartition(" · ")[2].split()[0] for reply in root.replies] == ["Resolved"]
