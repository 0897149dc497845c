"""Done when: one problem is one Slack message and one Jira issue, whatever its source."""

from __future__ import annotations

import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx
import pytest
import redis

from bridge.domain.alert import Status
from bridge.ports import Sample
from bridge.sandbox.jira.state import Issue
from bridge.sandbox.slack_workspace import SlackMessage
from bridge.store.incidents import Incidents
from bridge.store.keyspace import Keyspace
from tests.e2e.bridge_processes import until
from tests.e2e.conftest import World

TITLES = {
    "sentry": "ZeroDivisionError",
    "alertmanager": "checkout-api answers more than 5%",
    "cloudwatch": "checkout-api-5xx",
}


def post(world: World, source: str, sample: Sample) -> httpx.Response:
    """Post as senders do: again after a 503, which a busy machine may cost."""
    answers: list[httpx.Response] = []

    def taken() -> bool:
        url = f"{world.bridge.url}/hooks/{source}"
        answers.append(httpx.post(url, headers=sample.headers, content=sample.body, timeout=60))
        return answers[-1].status_code != 503

    until(taken, "the receiver takes it")
    return answers[-1]


def sample(world: World, source: str, status: Status = Status.FIRING) -> Sample:
    return world.sources[source].sample(status, datetime.now(UTC))


def other(world: World, name: str, status: Status = Status.FIRING) -> Sample:
    """Return a sample of Alertmanager about a problem of its own."""
    one = sample(world, "alertmanager", status)
    body = re.sub(rb'"fingerprint":"[^"]*"', b'"fingerprint":"%016x"' % zlib.crc32(name.encode()), one.body)
    return Sample(headers=one.headers, body=body.replace(b"HighErrorRate", name.encode()))


def roots(world: World, source: str) -> list[SlackMessage]:
    return [m for m in world.sandbox.slack.messages() if TITLES[source] in shown(m)]


def issues(world: World, source: str) -> list[Issue]:
    return [i for i in world.sandbox.jira.issues if TITLES[source] in i.fields["summary"]]


def shown(message: SlackMessage) -> str:
    """Return everything a reader of the message sees, as one text."""
    return f"{message.text} {message.attachments}"


def count(message: SlackMessage) -> int:
    found = re.search(r"\*Count\*\\n(\d+)", shown(message))
    assert found, shown(message)
    return int(found[1])


@pytest.mark.parametrize("source", list(TITLES))
def test_a_whole_life_is_one_message_one_issue_and_a_thread(world: World, source: str) -> None:
    first = sample(world, source)
    assert post(world, source, first).json() == {"accepted": 1}
    until(lambda: bool(roots(world, source)), "the message is there")
    until(lambda: bool(issues(world, source)), "the issue is there")

    _repeat_at_once(world, source, first)
    _resolve(world, source)
    _fire_again(world, source)

    (root,), (issue,) = roots(world, source), issues(world, source)
    thread = [reply.text for reply in root.replies]
    assert [t.rpartition(" · ")[2].split()[0] for t in thread] == ["Resolved", "Firing"], thread
    assert root.replies[1].broadcast
    assert len(issue.comments) == 2
    _check_links(world, source, root, issue)


def _repeat_at_once(world: World, source: str, first: Sample) -> None:
    """The same statement 25 times and 25 statements of the same, all at the same time."""
    requests = [first] * 25 + [sample(world, source) for _ in range(25)]
    distinct = len({r.body for r in requests}) if source == "sentry" else len({_stated(r) for r in requests})
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda s: post(world, source, s), requests))
    assert {a.status_code for a in answers} == {202}
    until(lambda: count(roots(world, source)[0]) == distinct, f"the count is {distinct}")


def _stated(request: Sample) -> str:
    found = re.search(rb'startsAt":"([^"]+)|StateChangeTime\\":\\"([^\\]+)', request.body)
    assert found
    return (found[1] or found[2]).decode()


def _resolve(world: World, source: str) -> None:
    post(world, source, sample(world, source, Status.RESOLVED))
    until(lambda: "Resolved" in shown(roots(world, source)[0]), "the message says resolved")
    until(lambda: issues(world, source)[0].status == "Done", "the issue is closed")


def _fire_again(world: World, source: str) -> None:
    post(world, source, sample(world, source))
    until(lambda: issues(world, source)[0].status != "Done", "the issue is open again")
    until(lambda: len(roots(world, source)[0].replies) == 2, "the thread has both")
    until(lambda: len(issues(world, source)[0].comments) >= 2, "the issue has both")


def _check_links(world: World, source: str, root: SlackMessage, issue: Issue) -> None:
    text = unquote(shown(root))
    trace = re.search(r"https://jaeger\.example\.com/trace/([0-9a-f]{32})", text)
    assert "https://grafana.example.com/explore" in text
    assert bool(trace) == (source != "cloudwatch"), "CloudWatch alarms carry no trace id; the others do"
    if trace:
        assert trace[1] in issue.fields["description"]
    assert f"/browse/{issue.key}" in text
    linked = [link["object"]["url"] for link in issue.remote_links]
    assert any("/slack/archives/C0ONCALL/" in url for url in linked), linked


def test_a_resolution_of_something_unknown_shows_nowhere(world: World) -> None:
    before = len(world.sandbox.slack.messages())
    assert post(world, "alertmanager", other(world, "NeverFired", Status.RESOLVED)).status_code == 202
    post(world, "alertmanager", other(world, "FiredAfterwards"))
    until(lambda: any("FiredAfterwards" in shown(m) for m in world.sandbox.slack.messages()), "the marker is there")
    assert not any("NeverFired" in shown(m) for m in world.sandbox.slack.messages()[before:])


def test_what_was_told_lies_packed_in_the_store(world: World) -> None:
    with redis.Redis.from_url(world.bridge.redis_url) as client:
        until(lambda: client.hlen("{ab}:workers") > 0, "the worker knows who else there is")
        post(world, "alertmanager", other(world, "Packed"))

        def packed() -> bool:
            told = [one.incident for one in Incidents(Keyspace(client)).each()]
            keys = [f"{{ab}}:i:{one.fingerprint}" for one in told if one.labels.get("alertname") == "Packed"]
            return any((client.hget(key, "i") or b"").startswith(b"x") for key in keys)  # type: ignore[union-attr,arg-type]  # not the async client

        until(packed, "it was told and put away")


def test_the_requests_own_trace_id_is_in_every_log_line_it_causes(world: World) -> None:
    unique = other(world, "Traced")
    traceparent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    answer = post(world, "alertmanager", Sample(headers={**unique.headers, **traceparent}, body=unique.body))
    assert answer.headers["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"

    def lines(process: str, event: str) -> list[str]:
        log = world.bridge.log(process).splitlines()
        return [line for line in log if "0af7651916cd43dd8448eb211c80319c" in line and f'"{event}"' in line]

    until(lambda: len(lines("worker", "delivered")) >= 2, "both deliveries are logged with it")
    until(lambda: lines("receiver", "received"), "the receiver's line too")
    until(lambda: lines("worker", "ingested"), "the reader's line too")
