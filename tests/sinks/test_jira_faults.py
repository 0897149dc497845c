"""The Jira sink on bad days: every class of failure, what an interrupted call left behind, what Jira refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.alert import Link, Severity, Status
from bridge.ports import Outcome, Receipt, Rejected, RetryAt, Unknown
from bridge.sandbox.faults import Fault, Kind, delay, drop, html, lag, rate_limit, refusal, server_error
from bridge.sinks.jira import site as jira_site
from bridge.sinks.jira.text import label_of
from tests.sinks.jira_site import Bench, bench, delivery, told
from tests.strategies import alert

FIRING = alert(0, service="checkout", url="https://sentry.example.com/issues/1")
WORSE = alert(5, severity=Severity.CRITICAL)
RESOLVED = alert(12, Status.RESOLVED)


@pytest.fixture(params=["cloud", "datacenter"])
def site(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(cloud=request.param == "cloud") as bench_:
        yield bench_


@pytest.fixture
def cloud() -> Iterator[Bench]:
    with bench() as bench_:
        yield bench_


def stopped(site: Bench, *alerts: object, receipt: Receipt | None = None) -> Outcome:
    with pytest.raises(Outcome) as caught:
        site.jira.sync(delivery(told(*alerts), receipt))  # type: ignore[arg-type]  # alerts
    return caught.value


# --- what each failure means ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "seconds", "blocked"),
    [
        (rate_limit("createIssue", 7), RetryAt, 7, True),
        (server_error("createIssue", 500), Unknown, None, None),
        (server_error("createIssue", 503), Unknown, None, None),
        (html("createIssue", 502), Unknown, None, None),
        (html("createIssue", 200), Unknown, None, None),
        (drop("createIssue"), Unknown, None, None),
        (refusal("createIssue", {"errorMessages": ["no"]}, 401), RetryAt, 60, True),
        (refusal("createIssue", {"errorMessages": ["no"]}, 403), RetryAt, 60, True),
        (refusal("createIssue", {"errorMessages": ["busy"]}, 409), RetryAt, 5, False),
        (refusal("createIssue", {"errorMessages": ["misconfigured"]}, 422), Rejected, None, None),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
def test_a_failed_create_means(
    cloud: Bench, fault: Fault, kind: type[Outcome], seconds: int | None, blocked: bool | None
) -> None:
    cloud.faults.add(fault)
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, kind)
    assert outcome.receipt is None
    assert outcome.reason.startswith("creating the issue: ")
    if isinstance(outcome, RetryAt) and seconds is not None:
        assert abs(outcome.after - timedelta(seconds=seconds)) <= timedelta(seconds=2)
        assert outcome.blocked is blocked


def test_a_retry_after_may_be_a_date(cloud: Bench) -> None:
    cloud.faults.add(rate_limit("createIssue", 900, as_date=True))
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, RetryAt)
    assert timedelta(seconds=600) < outcome.after <= timedelta(seconds=901)


@pytest.mark.parametrize(
    "fault", [server_error("getIssue", 503), drop("getIssue"), html("getIssue")], ids=["503", "drop", "page"]
)
def test_a_failed_look_is_simply_repeated(cloud: Bench, fault: Fault) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.faults.add(fault)
    outcome = stopped(cloud, FIRING, WORSE, receipt=receipt)
    assert isinstance(outcome, RetryAt)
    assert outcome.receipt == receipt


def test_no_answer_in_time_is_unknown(cloud: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = cloud.jira
    monkeypatch.setattr(jira_site, "TIMEOUT", (60, 1))
    cloud.jira = cloud.sink()
    cloud.faults.add(delay("createIssue", 60))
    assert isinstance(stopped(cloud, FIRING), Unknown)
    found = patient.find(delivery(told(FIRING)))
    assert found is not None
    assert found.handle == ("OPS-1", cloud.issue.id)


def test_nothing_listening_blocks_the_destination() -> None:
    with socket.socket() as unused, bench() as site:
        unused.bind(("127.0.0.1", 0))
        site.jira = site.sink(url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        outcome = stopped(site, FIRING)
    assert isinstance(outcome, RetryAt)
    assert outcome.blocked
    assert "can't connect" in outcome.reason


def test_a_redirect_is_not_followed_and_says_what_to_do(cloud: Bench) -> None:
    headers = {"location": "https://login.example.com/"}
    cloud.faults.add(Fault(endpoint="createIssue", kind=Kind.ANSWER, status=302, headers=headers))
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, RetryAt)
    assert "set url to Jira's final address" in outcome.reason


def test_a_limit_on_one_issue_does_not_block_the_others(cloud: Bench) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    headers = {"retry-after": "3", "ratelimit-reason": "jira-per-issue-on-write"}
    cloud.faults.add(Fault(endpoint="addComment", kind=Kind.ANSWER, status=429, headers=headers))
    outcome = stopped(cloud, FIRING, WORSE, receipt=receipt)
    assert isinstance(outcome, RetryAt)
    assert not outcome.blocked


def test_a_wrong_token_waits_without_telling_it(site: Bench) -> None:
    site.jira = site.sink(token="secret-of-ours")
    outcome = stopped(site, FIRING)
    assert isinstance(outcome, RetryAt)
    assert outcome.blocked
    assert "check user and token" in outcome.reason
    assert "secret-of-ours" not in outcome.reason + repr(site.options(token="secret-of-ours"))


def test_a_captcha_lock_is_named() -> None:
    with bench(cloud=False) as site:
        site.sandbox.captcha = True
        outcome = stopped(site, FIRING)
    assert isinstance(outcome, RetryAt)
    assert "log in to Jira once in a browser" in outcome.reason


def test_nothing_sleeps_or_retries_inside(cloud: Bench) -> None:
    cloud.faults.add(rate_limit("createIssue", 30, times=3))
    began = datetime.now(UTC)
    stopped(cloud, FIRING)
    assert cloud.called() == ["createIssue"]
    assert datetime.now(UTC) - began < timedelta(seconds=25)


# --- interrupted calls ---------------------------------------------------------------------------------------


def test_an_interrupted_create_is_found_by_its_label_once_the_index_shows_it(site: Bench) -> None:
    site.faults.add(drop("createIssue", applied=True), lag("search", 3600))
    incident = told(FIRING, WORSE)
    assert isinstance(stopped(site, FIRING, WORSE), Unknown)
    assert site.jira.find(delivery(incident)) is None
    site.faults.clear()
    found = site.jira.find(delivery(incident))
    assert found is not None
    assert (found.handle[0], found.told, found.open) == ("OPS-1", incident.version, True)
    receipt = site.jira.sync(delivery(incident, found))
    assert len(site.issue.remote_links) == 1
    assert (site.issue.comments, receipt.version) == ([], incident.version)


def test_what_happened_since_an_interrupted_create_is_told(cloud: Bench) -> None:
    cloud.faults.add(drop("createIssue"))
    stopped(cloud, FIRING)
    now = told(FIRING, WORSE, RESOLVED)
    found = cloud.jira.find(delivery(now))
    assert found is not None
    assert found.told == 1
    cloud.jira.sync(delivery(now, found))
    assert (len(cloud.issue.comments), cloud.issue.status, cloud.issue.fields["priority"]) == (2, "Done", "Highest")


def test_a_priority_whose_answer_was_lost_is_still_the_bridges_own(cloud: Bench) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.faults.add(drop("editIssue"))
    outcome = stopped(cloud, FIRING, WORSE, receipt=receipt)
    assert cloud.issue.fields["priority"] == "Highest"
    eased = alert(9, severity=Severity.WARNING)
    receipt = cloud.jira.sync(delivery(told(FIRING, WORSE, eased), outcome.receipt))
    assert cloud.issue.fields["priority"] == "Medium"
    assert "priority=Medium" in receipt.memo
    assert not [m for m in receipt.memo if m.startswith("trying=")]


def test_a_priority_set_by_a_sync_that_was_killed_is_still_the_bridges_own(cloud: Bench) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.jira.sync(delivery(told(FIRING, WORSE), receipt))
    eased = told(FIRING, WORSE, alert(9, severity=Severity.WARNING))
    found = cloud.jira.find(delivery(eased, receipt))
    assert found is not None
    cloud.jira.sync(delivery(eased, found))
    assert cloud.issue.fields["priority"] == "Medium"


def test_a_priority_set_by_a_sync_that_was_killed_after_another_had_told_is_still_the_bridges_own(cloud: Bench) -> None:
    worse = told(FIRING, WORSE)
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.faults.add(drop("addComment"))
    half = cloud.jira.find(delivery(worse, stopped(cloud, FIRING, WORSE, receipt=receipt).receipt))
    assert half is not None
    assert half.told == worse.version
    cloud.jira.sync(delivery(worse, half))  # and killed before its receipt was kept
    found = cloud.jira.find(delivery(worse, half))
    receipt = cloud.jira.sync(delivery(worse, found))
    cloud.jira.sync(delivery(told(FIRING, WORSE, alert(9, severity=Severity.WARNING)), receipt))
    assert cloud.issue.fields["priority"] == "Medium"


def test_a_priority_whose_answer_was_lost_is_the_bridges_own_however_often_it_is_looked_up(cloud: Bench) -> None:
    worse = told(FIRING, WORSE)
    receipt: Receipt | None = cloud.jira.sync(delivery(told(FIRING)))
    cloud.jira.sync(delivery(worse, receipt))  # and killed before its receipt was kept
    for _ in range(3):
        receipt = cloud.jira.find(delivery(worse, receipt))  # and what comes after it fails
    receipt = cloud.jira.sync(delivery(worse, receipt))
    cloud.jira.sync(delivery(told(FIRING, WORSE, alert(9, severity=Severity.WARNING)), receipt))
    assert cloud.issue.fields["priority"] == "Medium"


def test_a_priority_that_a_person_chose_during_an_interruption_is_left_alone(cloud: Bench) -> None:
    worse = told(FIRING, WORSE)
    receipt: Receipt | None = cloud.jira.sync(delivery(told(FIRING)))
    cloud.faults.add(drop("addComment"))
    receipt = cloud.jira.find(delivery(worse, stopped(cloud, FIRING, WORSE, receipt=receipt).receipt))
    cloud.issue.fields["priority"] = "Low"
    receipt = cloud.jira.sync(delivery(worse, receipt))
    cloud.jira.sync(delivery(told(FIRING, WORSE, alert(9, severity=Severity.WARNING)), receipt))
    assert cloud.issue.fields["priority"] == "Low"


def test_a_reopening_by_a_sync_that_was_killed_is_closed_with_the_next_resolution(cloud: Bench) -> None:
    again = alert(20)
    receipt = cloud.jira.sync(delivery(told(FIRING, RESOLVED), cloud.jira.sync(delivery(told(FIRING)))))
    cloud.jira.sync(delivery(told(FIRING, RESOLVED, again), receipt))
    over = told(FIRING, RESOLVED, again, alert(30, Status.RESOLVED))
    half = cloud.jira.find(delivery(over, receipt))
    cloud.faults.add(drop("transition", applied=False))
    stopped(cloud, FIRING, RESOLVED, again, alert(30, Status.RESOLVED), receipt=half)
    assert (cloud.issue.status, len(cloud.issue.comments)) == ("To Do", 3)
    cloud.faults.clear()
    found = cloud.jira.find(delivery(over, receipt))
    assert found is not None
    assert (found.told, found.open) == (over.version, True)
    assert not cloud.jira.sync(delivery(over, found)).open
    assert (cloud.issue.status, len(cloud.issue.comments)) == ("Done", 3)


def test_the_oldest_of_several_issues_is_taken(cloud: Bench) -> None:
    for _ in range(2):
        cloud.faults.add(drop("createIssue"))
        stopped(cloud, FIRING)
    found = cloud.jira.find(delivery(told(FIRING)))
    assert found is not None
    assert found.handle[0] == "OPS-1"


def test_find_sees_an_issue_that_was_moved(cloud: Bench) -> None:
    cloud.faults.add(drop("createIssue"))
    stopped(cloud, FIRING)
    cloud.state.move("OPS-1", "ARCHIVE")
    found = cloud.jira.find(delivery(told(FIRING)))
    assert found is not None
    assert found.handle[0] == "ARCHIVE-1"


@pytest.mark.parametrize("applied", [True, False])
def test_an_interrupted_comment_is_told_exactly_once(site: Bench, applied: bool) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    eased = alert(6, severity=Severity.WARNING)
    incident = told(FIRING, WORSE, eased)
    site.faults.add(drop("addComment", applied=applied))
    outcome = stopped(site, FIRING, WORSE, eased, receipt=receipt)
    assert isinstance(outcome, Unknown)
    found = site.jira.find(delivery(incident, outcome.receipt))
    assert found is not None
    site.jira.sync(delivery(incident, found))
    assert [c.body.splitlines()[0] for c in site.issue.comments] == [
        "Severity raised from error to critical",
        "Severity eased from critical to warning",
    ]


def test_a_failure_between_comments_keeps_what_was_told(cloud: Bench) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.faults.add(refusal("transition", {"errorMessages": ["busy"]}, 409))
    outcome = stopped(cloud, FIRING, WORSE, RESOLVED, receipt=receipt)
    assert isinstance(outcome, RetryAt)
    assert outcome.receipt is not None
    assert (outcome.receipt.told, outcome.receipt.version, outcome.receipt.open) == (3, 1, True)
    cloud.jira.sync(delivery(told(FIRING, WORSE, RESOLVED), outcome.receipt))
    assert (len(cloud.issue.comments), cloud.issue.status) == (2, "Done")


@pytest.mark.parametrize("applied", [True, False])
def test_an_interrupted_transition_ends_closed_with_one_comment(site: Bench, applied: bool) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.faults.add(drop("transition", applied=applied))
    outcome = stopped(site, FIRING, RESOLVED, receipt=receipt)
    assert isinstance(outcome, Unknown)
    incident = told(FIRING, RESOLVED)
    found = site.jira.find(delivery(incident, outcome.receipt))
    receipt = site.jira.sync(delivery(incident, found))
    assert (site.issue.status, len(site.issue.comments), receipt.open) == ("Done", 1, False)


def test_find_waits_when_jira_cannot_be_asked(cloud: Bench) -> None:
    cloud.faults.add(server_error("search", 500), refusal("search", {"errorMessages": ["bad"]}, 400))
    for _ in range(2):
        with pytest.raises(RetryAt):
            cloud.jira.find(delivery(told(FIRING)))


def test_find_returns_none_when_nothing_was_left(site: Bench) -> None:
    assert site.jira.find(delivery(told(FIRING))) is None


def test_a_lost_store_finds_the_issue_and_reopens_it(cloud: Bench) -> None:
    cloud.jira.sync(delivery(told(FIRING, WORSE, RESOLVED)))
    fresh = told(FIRING)
    found = cloud.jira.find(delivery(fresh))
    assert found is not None
    assert (found.told, found.open) == (1, False)
    cloud.jira.sync(delivery(fresh, found))
    assert cloud.issue.status == "To Do"


# --- refusals ------------------------------------------------------------------------------------------------


def test_optional_fields_that_jira_refuses_are_left_out_once(site: Bench) -> None:
    site.state.screen -= {"priority"}
    site.jira = site.sink(fields={"customfield_9": "x"}, labels=["alerts"])
    receipt = site.jira.sync(delivery(told(FIRING)))
    assert site.called().count("createIssue") == 2
    assert site.issue.fields["labels"] == ["alerts", label_of(told(FIRING))]
    assert receipt.memo[:1] != ("priority=High",)
    site.called()
    site.jira.sync(delivery(told(FIRING, WORSE), receipt))
    assert "editIssue" not in site.called()


def test_the_label_is_never_left_out(cloud: Bench) -> None:
    cloud.state.screen -= {"labels"}
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, Rejected)
    assert "labels" in outcome.reason
    assert cloud.sandbox.issues == []


def test_a_required_field_is_refused_in_jiras_own_words(cloud: Bench) -> None:
    cloud.state.required["customfield_7"] = "Team"
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, Rejected)
    assert "customfield_7: Team is required." in outcome.reason


@pytest.mark.parametrize("changes", [{"project": "NOPE"}, {"issue_type": "Nope"}])
def test_a_wrong_target_says_what_to_check(cloud: Bench, changes: dict[str, str]) -> None:
    cloud.jira = cloud.sink(**changes)
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, Rejected)
    assert "check project and issue_type" in outcome.reason


def test_no_way_to_close_is_a_dead_letter_that_keeps_the_comment(cloud: Bench) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.state.transitions.discard("Done")
    outcome = stopped(cloud, FIRING, RESOLVED, receipt=receipt)
    assert isinstance(outcome, Rejected)
    assert 'Jira offers this account: "In Progress". Set `resolve`' in outcome.reason
    assert outcome.receipt is not None
    assert outcome.receipt.told == 2


def test_an_issue_full_of_comments_is_still_closed(cloud: Bench) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.state.comment_limit = 0
    cloud.jira.sync(delivery(told(FIRING, RESOLVED), receipt))
    assert (cloud.issue.status, cloud.issue.comments) == ("Done", [])


def test_an_account_that_may_not_look_makes_no_second_issue(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.state.permissions.discard("BROWSE_PROJECTS")
    outcome = stopped(site, FIRING, WORSE, receipt=receipt)
    assert isinstance(outcome, RetryAt)
    assert "grant the account Browse Projects" in outcome.reason
    assert len(site.sandbox.issues) == 1


def test_links_that_jira_refuses_are_let_go(cloud: Bench) -> None:
    cloud.faults.add(refusal("remotelink", {"errorMessages": ["no"]}, 404))
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    assert (receipt.version, cloud.issue.remote_links) == (1, [])
    cloud.called()
    assert cloud.jira.sync(delivery(told(FIRING), receipt)) == receipt
    assert cloud.called() == []


def test_links_that_fail_in_passing_are_set_with_the_next_sync(cloud: Bench) -> None:
    cloud.faults.add(server_error("remotelink"))
    slack = Link("Slack #oncall", "https://example.slack.com/archives/C0/p1")
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    cloud.jira.sync(delivery(told(FIRING), receipt, peers=(slack,)))
    assert len(cloud.issue.remote_links) == 2


def test_a_template_that_cannot_be_filled_in_is_rejected_with_its_reason(cloud: Bench) -> None:
    cloud.state.screen.add("customfield_1")
    cloud.jira = cloud.sink(fields={"customfield_1": "{{ labels.team.lead.name }}"})
    outcome = stopped(cloud, FIRING)
    assert isinstance(outcome, Rejected)
    assert "correct `fields`" in outcome.reason


def test_a_slow_jira_ends_the_sync_with_what_was_done(cloud: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = cloud.jira.sync(delivery(told(FIRING)))
    monkeypatch.setattr("bridge.sinks.jira.issue.BUDGET", 1)
    cloud.faults.add(delay("addComment", 1.1))
    outcome = stopped(cloud, FIRING, WORSE, RESOLVED, receipt=receipt)
    assert isinstance(outcome, RetryAt)
    assert outcome.receipt is not None
    assert outcome.receipt.told == 2
