"""Canaries: through a real receiver and a real Slack sandbox, taken back, missed where they don't arrive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import redis

from bridge import wiring
from bridge.domain.canary import Flight, is_canary
from bridge.pipeline.canary import STAYS
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.pipeline.selfwatch import watch
from bridge.sandbox import faults
from bridge.sandbox.app import Sandbox
from bridge.sandbox.jira import TOKEN as JIRA_TOKEN
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN
from bridge.store.flights import Flights
from bridge.store.incidents import Record
from bridge.web import serve
from bridge.web.app import application
from tests.conftest import free_port
from tests.pipeline.desk import Quiet
from tests.sandbox_server import running

MINUTE = timedelta(minutes=1)
CONFIG = """
sources: {{sentry: {{kind: sentry, client_secret: s3cret}}}}
destinations:
  oncall:
    {{kind: slack, token: {slack}, channel: C0ONCALL, api_url: "{url}/slack/api/", settle: 0s,
      min_severity: error, for: 1h}}
  tickets: {{kind: jira, url: "{url}/jira", user: bot@example.com, token: {jira}, project: OPS}}
canary: {{to: [oncall], url: "{receiver}", {more}}}
"""


@dataclass
class Cage:
    """A bridge whose worker does one round at a time."""

    parts: Parts
    sandbox: Sandbox
    client: redis.Redis

    def round(self, times: int = 1) -> None:
        """Do once what workers do all the time."""
        for _ in range(times):
            self.client.delete("{ab}:flying", "{ab}:looked", "{ab}:hold:oncall")
            watch(self.parts)
            ingest(self.parts)
            for name in self.parts.sinks:
                deliver(self.parts, name)

    @property
    def flights(self) -> Flights:
        assert self.parts.aviary is not None
        return self.parts.aviary.flights

    @property
    def flight(self) -> Flight:
        """The newest one."""
        flight = self.flights.read()[1]
        assert flight is not None
        return flight

    def later(self, span: timedelta) -> None:
        """Let time pass for the canary, and for what is due."""
        _, flight, stored = self.flights.read()
        assert flight is not None
        assert self.flights.swap(stored, msgspec.structs.replace(flight, began=flight.began - span))
        for name in self.parts.sinks:
            for member in self.client.zrange(f"{{ab}}:due:{name}", 0, -1):  # type: ignore[union-attr]  # not the async client
                self.client.zadd(f"{{ab}}:due:{name}", {member: 0})

    def messages(self) -> list[str]:
        """What stands in the channel."""
        return [message.text for message in self.sandbox.slack.messages() if not message.deleted]

    def issues(self) -> list[str]:
        """The issues' summaries."""
        return [str(issue.fields["summary"]) for issue in self.sandbox.jira.issues]

    def records(self) -> list[Record]:
        """Every incident, canaries too."""
        return list(self.parts.incidents.each())


@pytest.fixture
def cage(request: pytest.FixtureRequest, tmp_path: Path, store: str, redis_client: redis.Redis) -> Iterator[Cage]:
    """The parameter: options of the canary, and whether its receiver runs."""
    more, alive = getattr(request, "param", ("every: 5m", True))
    port, sandbox_port = free_port(), free_port()
    sandbox = Sandbox(base_url=f"http://127.0.0.1:{sandbox_port}")
    with ExitStack() as stack:
        url = stack.enter_context(running(sandbox.app(), sandbox_port))
        config = tmp_path / "bridge.yaml"
        receiver = f"http://127.0.0.1:{port}"
        config.write_text(CONFIG.format(slack=SLACK_TOKEN, jira=JIRA_TOKEN, url=url, receiver=receiver, more=more))
        environ = {"ALERT_BRIDGE_CONFIG": str(config), "REDIS_URL": store, "ALERT_BRIDGE_DATA": str(tmp_path)}
        settings = wiring.load(environ)
        if alive:
            stack.enter_context(running(application(serve.receiver(settings)), port, lifespan="on"))
        parts = replace(wiring.parts(settings, wiring.celery(settings)), bell=Quiet())
        yield Cage(parts, sandbox, redis_client)


def test_a_canary_is_told_where_it_should_and_taken_back(cage: Cage) -> None:
    cage.round()
    (shown,) = cage.messages()
    assert "Canary of the alert bridge: nothing is wrong" in shown
    assert not cage.flight.over

    cage.round()
    assert cage.messages() == []
    assert cage.issues() == [], "whatever the routes say"
    assert cage.flight.arrived is not None
    cage.round()
    assert (cage.flight.over, cage.flight.late) == (True, {})


def test_a_canary_is_in_no_list_and_no_count_and_soon_forgotten(cage: Cage) -> None:
    cage.round(2)
    (record,) = cage.records()
    assert is_canary(record.incident.id)
    assert not record.listed
    counts = cage.client.hgetall("{ab}:counts")
    assert not [key for key in counts if key.startswith((b"change:", b"delivery:"))]  # type: ignore[union-attr]  # not the async client
    assert 0 < cage.client.pttl(f"{{ab}}:i:{record.incident.fingerprint}") <= 86_400_000  # type: ignore[operator]  # not the async client
    assert cage.client.zcard("{ab}:owed:oncall") == 0


def test_the_next_one_comes_after_its_time_as_a_new_message(cage: Cage) -> None:
    cage.round(3)
    first = cage.flight
    assert cage.messages() == []
    cage.later(5 * MINUTE)
    cage.round()
    assert cage.flight.run != first.run
    assert len(cage.messages()) == 1
    cage.round(2)
    assert cage.messages() == []
    assert [record.incident.reopened for record in cage.records()] == [0, 0]


@pytest.mark.parametrize("cage", [("keep: true", True)], indirect=True)
def test_in_a_channel_of_its_own_the_message_may_stay(cage: Cage) -> None:
    cage.round(2)
    (shown,) = cage.messages()
    assert "RESOLVED" in shown


def test_slack_is_dead_the_others_hear_of_it_until_one_arrives_again(cage: Cage) -> None:
    for call in ("chat.postMessage", "conversations.history", "conversations.replies"):
        cage.sandbox.faults.add(faults.server_error(call, times=0))
    cage.round()
    cage.later(MINUTE)
    cage.round(2)
    assert "oncall" in cage.flight.late
    assert [issue for issue in cage.issues() if "canary did not arrive at oncall" in issue]
    assert not any(is_canary(record.incident.id) and record.incident.open for record in cage.records())

    cage.sandbox.faults.clear()
    cage.later(5 * MINUTE)
    cage.round(3)
    assert cage.flight.late == {}
    cage.round()
    (told,) = [r.incident for r in cage.records() if r.incident.labels.get("concern") == "canary"]
    assert not told.open
    assert [text for text in cage.messages() if "nothing is wrong" in text] == [], "none is left behind"


@pytest.mark.parametrize("cage", [("every: 5m", False)], indirect=True)
def test_the_receiver_is_dead_all_hear_of_it(cage: Cage) -> None:
    cage.round()
    assert cage.flight.why == "no connection (ConnectError)"
    cage.later(MINUTE)
    cage.round(2)
    assert cage.flight.late == {"": "the receiver: no connection (ConnectError)"}
    assert [issue for issue in cage.issues() if "canary did not get in" in issue]


def test_a_canary_nobody_accepted_is_sent_again_and_one_that_was_is_not(cage: Cage) -> None:
    cage.round()
    _, flight, stored = cage.flights.read()
    assert flight is not None
    assert flight.accepted
    assert cage.flights.swap(stored, msgspec.structs.replace(flight, accepted=False))
    cage.client.delete("{ab}:flying")
    cage.later(timedelta(seconds=3))
    watch(cage.parts)
    assert cage.flight.back, "it had arrived anyway"
    assert not cage.flights.swap(b"what another worker read", flight)


def test_a_canary_that_is_refused_is_no_dead_letter(cage: Cage) -> None:
    refused = {"ok": False, "error": "invalid_blocks"}
    cage.sandbox.faults.add(faults.refusal("chat.postMessage", refused, times=0))
    cage.round()
    assert cage.client.hlen("{ab}:dead") == 0
    cage.later(MINUTE)
    cage.round(2)
    assert "oncall" in cage.flight.late


def test_a_message_that_can_not_be_taken_back_is_told_and_not_again_and_again(cage: Cage) -> None:
    refused = {"ok": False, "error": "cant_delete_message"}
    cage.sandbox.faults.add(faults.refusal("chat.delete", refused, times=0))
    cage.round(2)
    cage.later(5 * MINUTE)
    cage.round()
    assert cage.flight.late == {"oncall": STAYS}
    cage.later(5 * MINUTE)
    cage.round(3)
    assert cage.flight.arrived is not None
    assert cage.flight.late == {"oncall": STAYS}, "the next one arrived, and stays as well"
    assert cage.client.hlen("{ab}:dead") == 0


def test_after_one_that_was_lost_the_next_comes_sooner(cage: Cage) -> None:
    cage.sandbox.faults.add(faults.server_error("chat.postMessage", times=1))
    cage.round()
    lost = cage.flight.run
    cage.later(MINUTE)
    cage.client.delete("{ab}:flying")
    watch(cage.parts)
    assert cage.flight.late
    cage.later(MINUTE)
    cage.round()
    assert cage.flight.run != lost


def test_a_canary_that_is_lost_because_its_destination_is_blocked_is_no_second_alert(cage: Cage) -> None:
    refused = {"ok": False, "error": "token_revoked"}
    cage.sandbox.faults.add(faults.refusal("chat.postMessage", refused, times=0))
    cage.round()
    cage.later(MINUTE)
    stored = cage.client.get("{ab}:probe:oncall") or b""
    since, _, reason = stored.partition(b"|")  # type: ignore[union-attr]  # not the async client
    cage.client.set("{ab}:probe:oncall", b"%d|%s" % (int(since) - 60_000, reason))
    cage.client.delete("{ab}:flying", "{ab}:looked")
    said = watch(cage.parts)
    assert "token_revoked" in cage.flight.late["oncall"]
    assert [alert.labels["concern"] for alert in said] == ["blocked"]


def test_a_message_that_somebody_deleted_first_is_taken_back_already(cage: Cage) -> None:
    cage.round()
    (message,) = cage.sandbox.slack.messages()
    cage.sandbox.slack.workspace.delete(message.channel, message.ts)
    cage.round()
    (record,) = cage.records()
    assert not record.receipts["oncall"].open
    assert cage.client.zcard("{ab}:due:oncall") == 0


def test_only_one_worker_at_a_time_looks_after_it(cage: Cage) -> None:
    watch(cage.parts)
    run = cage.flight.run
    watch(cage.parts)
    assert cage.flight.run == run
    assert len(cage.parts.inbox) == 1
