"""Done when: a target that fails and recovers is one message and one issue; workers and stores may die meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest
import redis

from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.jira.state import Issue
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.sandbox.slack_workspace import SlackMessage
from tests.e2e.bridge_processes import Processes, until
from tests.e2e.shop import Shop, Silence, open_shop, owner_of, silent_target
from tests.e2e.test_one_problem import shown
from tests.sandbox_server import running

CONFIG = """
timezone: Asia/Seoul
log: {{format: json}}
incidents: {{repeat_every: 300ms}}
sources:
  sentry: {{kind: sentry, client_secret: sentry-secret}}
destinations:
  oncall: {{kind: slack, per_second: 0, token: {slack}, channel: C0ONCALL, api_url: "{url}/slack/api/"}}
  tickets: {{kind: jira, per_second: 0, url: "{url}/jira", user: bot@example.com, token: {jira}, project: OPS}}
routes:
  - {{match: ['check=~"hanging.*"'], to: []}}
  - {{match: ['source="checks"'], to: [oncall, tickets]}}
  - {{to: []}}
links:
  - {{label: Trace, kind: jaeger, url: "https://jaeger.example.com"}}
checks:
  checkout-api: &check
    url: "http://127.0.0.1:{shop}/checkout-api"
    allow_private: true
    every: 1s
    fail_after: 3
    service: checkout
    runbook: https://wiki.example.com/checkout
  flapping: {{<<: *check, url: "http://127.0.0.1:{shop}/flapping", fail_after: 1}}
  steady: {{<<: *check, url: "http://127.0.0.1:{shop}/steady"}}
"""
HANGING = '  hanging-{n}: {{url: "http://127.0.0.1:{port}/", allow_private: true, every: 30s, timeout: 30s}}\n'
OVERLOADED = 10.0
"""Seconds that a machine with too much to do may add to what is promised of the bridge."""


@dataclass
class Watching:
    """A bridge of two workers that watches a shop, and what people see of it."""

    bridge: Processes
    sandbox: Sandbox
    shop: Shop
    silent: Silence

    def messages(self, name: str) -> list[SlackMessage]:
        return [m for m in self.sandbox.slack.messages() if f"{name} is down" in shown(m)]

    def issues(self, name: str) -> list[Issue]:
        return [i for i in self.sandbox.jira.issues if f"{name} is down" in i.fields["summary"]]


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    """Forty targets that hang, three that obey, two workers, no receiver."""
    sandbox = Sandbox()
    with open_shop() as shop, silent_target() as silent, running(sandbox.app()) as url:
        text = CONFIG.format(url=url, slack=SLACK_TOKEN, jira=JIRA_TOKEN, shop=shop.port)
        text += "".join(HANGING.format(n=n, port=silent.port) for n in range(40))
        bridge = Processes(tmp_path_factory.mktemp("bridge"), text, {})
        try:
            bridge.start_store()
            with ThreadPoolExecutor(2) as both:
                list(both.map(bridge.start_worker, ("one", "two")))
            until(lambda: shop.asked.keys() >= {"checkout-api", "flapping", "steady"}, "all are watched")
            yield Watching(bridge, sandbox, shop, silent)
        finally:
            bridge.stop()


def test_a_target_that_fails_three_times_and_recovers_is_one_message_and_one_issue(watching: Watching) -> None:
    shop = watching.shop
    assert watching.messages("checkout-api") == []
    shop.status["checkout-api"] = 503
    until(lambda: bool(watching.issues("checkout-api") and watching.messages("checkout-api")), "it is told")
    root, issue = watching.messages("checkout-api")[0], watching.issues("checkout-api")[0]
    for told in (shown(root), f"{issue.fields['summary']} {issue.fields['description']}"):
        assert "HTTP 503 after " in told
        assert "expected status 200-299" in told.replace("\\", "")
        assert "runs in a row failed" in told
        assert "재고 서버가 응답하지 않습니다" in told
        assert "at line 2" not in told
    assert f"http://127.0.0.1:{shop.port}/checkout-api" in shown(root)
    assert "https://wiki.example.com/checkout" in shown(root)
    assert any(f"https://jaeger.example.com/trace/{trace}" in shown(root) for trace in shop.traces["checkout-api"])

    shop.status["checkout-api"] = 200
    until(lambda: watching.issues("checkout-api")[0].status == "Done", "the issue is closed")
    until(lambda: "Resolved" in shown(watching.messages("checkout-api")[0]), "the message says so")
    until(lambda: bool(watching.messages("checkout-api")[0].replies), "its story is told")
    (reply,) = watching.messages("checkout-api")[0].replies
    assert "Resolved after" in shown(reply)
    assert "runs failed; now HTTP 200 after " in shown(reply)
    assert len(watching.messages("checkout-api")) == len(watching.issues("checkout-api")) == 1


def test_hanging_targets_delay_nobody(watching: Watching) -> None:
    until(lambda: len(watching.silent.heard) >= 8, "some hang, each for half a minute")
    began = time.monotonic()
    until(lambda: len([at for at in watching.shop.asked["steady"] if at > began]) >= 3, "it ran three times")
    assert watching.shop.longest_gap("steady", began) < 1 + OVERLOADED


def test_a_flapping_target_is_one_incident(watching: Watching) -> None:
    for times in (1, 2):
        watching.shop.status["flapping"] = 500
        until(lambda: _replies(watching, "firing again") >= times - 1, "it is down again")  # noqa: B023 - at once
        watching.shop.status["flapping"] = 200
        until(lambda: _replies(watching, "resolved after") >= times, "it is up again")  # noqa: B023 - at once
    assert len(watching.messages("flapping")) == len(watching.issues("flapping")) == 1


def _replies(watching: Watching, text: str) -> int:
    """Return how many replies to the flapping target's message say this; -1 if there is no message."""
    roots = watching.messages("flapping")
    return sum(text in shown(reply).lower() for reply in roots[0].replies) if roots else -1


def test_killing_the_worker_that_runs_a_check_delays_it_by_an_interval_and_five_seconds_at_most(
    watching: Watching,
) -> None:
    bridge, shop = watching.bridge, watching.shop
    shop.hold["steady"] = Event()
    asked = len(shop.asked["steady"])
    until(lambda: len(shop.asked["steady"]) > asked, "a run is under way")
    pids = {bridge.running[name].pid: name for name in ("one", "two")}
    killed = pids[owner_of(shop.client["steady"], list(pids)) or 0]
    bridge.kill(killed)
    shop.hold.pop("steady").set()
    assert _due(watching, "steady") <= 1 + 5
    _runs_soon(watching)

    bridge.start_worker(killed)
    (other,) = {"one", "two"} - {killed}
    bridge.kill(other)
    assert _due(watching, "steady") <= 1 + 5
    _runs_soon(watching)


def _due(watching: Watching, name: str) -> float:
    """Return in how many seconds a check is due, by the store's clock."""
    with redis.Redis.from_url(watching.bridge.redis_url) as client:
        seconds, micros = client.time()  # type: ignore[misc]  # not the async client
        score = client.zscore("{ab}:checks:due", name)
        assert isinstance(score, float)
        return score / 1000 - seconds - micros / 1e6


def _runs_soon(watching: Watching) -> None:
    began = time.monotonic()
    until(lambda: any(at > began for at in watching.shop.asked["steady"]), "it runs again")
    assert time.monotonic() - began < 1 + 5 + OVERLOADED


def test_a_store_that_is_killed_and_comes_back_finds_the_checks_going_on(watching: Watching) -> None:
    watching.bridge.kill("store")
    watching.bridge.start_store()
    _runs_soon(watching)
    assert "Traceback" not in watching.bridge.log("one") + watching.bridge.log("two")


def test_a_worker_that_is_asked_to_end_does_not_wait_for_targets_that_hang(watching: Watching) -> None:
    began = time.monotonic()
    watching.bridge.kill(next(name for name in ("one", "two") if name in watching.bridge.running), signal.SIGTERM)
    assert time.monotonic() - began < OVERLOADED
