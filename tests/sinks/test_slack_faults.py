"""What the Slack sink makes of each way a call can fail: nothing lost, nothing told twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bridge.domain.alert import Severity, Status
from bridge.ports import Outcome, Receipt, Rejected, RetryAt, Unknown
from bridge.sandbox.faults import Fault, delay, drop, html, rate_limit, refusal, server_error
from bridge.sandbox.slack import SlackSandbox
from bridge.sandbox.slack_workspace import SlackChannel
from tests.sinks.slack_room import Room, Syncs, alert, delivery, room, story

STEPS = [
    alert(0, severity=Severity.WARNING, summary=""),
    alert(5, summary=""),
    alert(12, Status.RESOLVED, summary=""),
    alert(20, summary=""),
]
OPENED, WHOLE = story(STEPS[0]), story(*STEPS)


@pytest.fixture
def here() -> Iterator[Room]:
    with room() as served:
        yield served


def no(word: str) -> Fault:
    return refusal("*", {"ok": False, "error": word})


def outcome(slack: Syncs, receipt: Receipt | None = None) -> Outcome:
    with pytest.raises(Outcome) as caught:
        slack.sync(delivery(WHOLE if receipt else OPENED, receipt))
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind", "blocked", "seconds"),
    [
        (rate_limit("*", 7), RetryAt, True, 7),
        (no("ratelimited"), RetryAt, True, 30),
        (no("invalid_auth"), RetryAt, True, 60),
        (no("token_revoked"), RetryAt, True, 60),
        (no("missing_scope"), RetryAt, True, 60),
        (no("message_limit_exceeded"), RetryAt, True, 900),
        (no("channel_not_found"), Rejected, None, None),
        (no("is_archived"), Rejected, None, None),
        (no("not_in_channel"), Rejected, None, None),
        (no("restricted_action"), Rejected, None, None),
        (no("internal_error"), Unknown, None, None),
        (no("fatal_error"), Unknown, None, None),
        (server_error("*", 500), Unknown, None, None),
        (server_error("*", 503, applied=True), Unknown, None, None),
        (html("*", 200), Unknown, None, None),
        (html("*", 502), Unknown, None, None),
        (html("*", 403), RetryAt, True, 60),
        (drop("*", applied=False), Unknown, None, None),
        (drop("*", applied=True), Unknown, None, None),
    ],
)
def test_each_failure_of_a_first_post_has_its_outcome(
    here: Room, fault: Fault, kind: type[Outcome], blocked: bool | None, seconds: int | None
) -> None:
    here.sandbox.faults.add(fault)
    got = outcome(here.slack())
    assert type(got) is kind
    assert got.receipt is None
    if isinstance(got, RetryAt) and seconds:
        assert got.blocked is blocked
        assert got.after == timedelta(seconds=seconds)


def test_a_date_at_which_to_come_again_is_understood(here: Room) -> None:
    here.sandbox.faults.add(rate_limit("*", 1800, as_date=True))
    got = outcome(here.slack())
    assert isinstance(got, RetryAt)
    assert got.blocked
    assert timedelta(minutes=20) < got.after <= timedelta(minutes=30)


@pytest.mark.parametrize(
    "fault",
    [no("internal_error"), server_error("*", 500), html("*", 200), html("*", 502), drop("*"), drop("*", applied=False)],
)
def test_an_edit_of_unknown_outcome_is_simply_repeated(here: Room, fault: Fault) -> None:
    slack = here.slack()
    receipt = slack.sync(delivery(OPENED))
    here.sandbox.faults.add(fault)
    got = outcome(slack, receipt)
    assert type(got) is RetryAt
    assert got.receipt == receipt
    slack.sync(delivery(WHOLE, got.receipt))
    assert (len(here.roots), len(here.replies)) == (1, 3)


def test_a_post_that_is_not_answered_in_time_is_unknown_and_an_edit_is_retried(here: Room) -> None:
    slack = here.impatient()
    here.sandbox.faults.add(delay("chat.postMessage", 30))
    assert type(outcome(slack)) is Unknown
    receipt = slack.find(delivery(OPENED))
    assert receipt is not None
    here.sandbox.faults.add(delay("chat.update", 30))
    assert type(outcome(slack, receipt)) is RetryAt


def test_a_slack_that_refuses_connections_blocks_the_destination_for_a_moment(here: Room) -> None:
    got = outcome(here.slack(api_url="http://127.0.0.1:1/api/"))
    assert isinstance(got, RetryAt)
    assert got.blocked
    assert "check DNS, firewall and proxy" in got.reason


def test_a_name_that_does_not_resolve_is_not_applied(here: Room) -> None:
    got = outcome(here.slack(api_url="http://slack.invalid/api/"))
    assert isinstance(got, RetryAt)


def test_what_speaks_no_tls_is_not_applied(here: Room) -> None:
    got = outcome(here.slack(api_url=here.url.replace("http:", "https:") + "/slack/api/"))
    assert isinstance(got, RetryAt)


@pytest.mark.parametrize("fault", [drop("chat.postMessage"), server_error("chat.postMessage", applied=True)])
def test_an_interrupted_create_is_found_and_not_repeated(here: Room, fault: Fault) -> None:
    slack = here.slack()
    here.sandbox.faults.add(fault)
    assert type(outcome(slack)) is Unknown
    found = slack.find(delivery(WHOLE))
    slack.sync(delivery(WHOLE, found))
    assert (len(here.roots), len(here.replies)) == (1, 3)


def test_an_interrupted_create_that_never_happened_is_done_then(here: Room) -> None:
    slack = here.slack()
    here.sandbox.faults.add(drop("chat.postMessage", applied=False))
    assert type(outcome(slack)) is Unknown
    slack.sync(delivery(OPENED, slack.find(delivery(OPENED))))
    assert len(here.roots) == 1


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_an_interrupted_thread_goes_on_where_it_stopped(here: Room, done: int, applied: bool) -> None:
    slack = here.slack()
    receipt = slack.sync(delivery(OPENED))
    for _ in range(done):
        here.sandbox.faults.add(delay("chat.postMessage", 0))
    here.sandbox.faults.add(drop("chat.postMessage", applied=applied))
    got = outcome(slack, receipt)
    assert type(got) is Unknown
    assert got.receipt is not None
    found = slack.find(delivery(WHOLE, got.receipt))
    slack.sync(delivery(WHOLE, found or got.receipt))
    assert [reply.split(" · ")[1] for reply in here.replies] == [
        "Severity raised from warning to critical",
        "Resolved after 12 min",
        "Firing again, 8 min after it was resolved",
    ]
    assert len(here.roots) == 1


def test_a_rate_limit_midway_keeps_what_was_told() -> None:
    with room(SlackSandbox(per_second=0.001)) as here:
        slack = here.slack()
        receipt = slack.sync(delivery(OPENED))
        got = outcome(slack, receipt)
        assert isinstance(got, RetryAt)
        assert got.blocked
        assert len(here.replies) == 2
        here.sandbox._spent.clear()  # the minutes have passed
        slack.sync(delivery(WHOLE, got.receipt))
        assert len(here.replies) == 3


def test_a_message_whose_address_slack_does_not_give_gets_it_next_time(here: Room) -> None:
    slack = here.slack()
    here.sandbox.faults.add(server_error("auth.test"))
    receipt = slack.sync(delivery(OPENED))
    assert receipt.link is None
    assert slack.sync(delivery(OPENED, receipt)).link is not None


@pytest.mark.parametrize("fault", [server_error("*"), drop("*"), html("*"), rate_limit("*", 3)])
def test_a_look_up_that_fails_is_tried_again_later(here: Room, fault: Fault) -> None:
    here.sandbox.faults.add(fault)
    with pytest.raises(RetryAt):
        here.slack().find(delivery(OPENED))


def test_rejections_say_what_to_do() -> None:
    with room(SlackSandbox([SlackChannel(is_archived=True)])) as here:
        got = outcome(here.slack())
    assert got.reason == (
        "Slack's chat.postMessage answered is_archived: unarchive the channel, or set another one in `channel`"
    )


def test_no_token_in_any_reason(here: Room) -> None:
    slack = here.slack(token="xoxb-very-secret")
    assert "very-secret" not in outcome(slack).reason


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (rate_limit("webhook", 3), RetryAt),
        (server_error("webhook", 500), Unknown),
        (drop("webhook"), Unknown),
        (html("webhook", 200), Unknown),
        (html("webhook", 403), Rejected),
    ],
)
def test_each_failure_of_a_webhook_has_its_outcome(here: Room, fault: Fault, kind: type[Outcome]) -> None:
    here.sandbox.faults.add(fault)
    got = outcome(here.webhook())
    assert type(got) is kind
    assert "sandbox/sandbox" not in got.reason
