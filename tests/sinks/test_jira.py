"""The Jira sink through an incident's life, against a real Jira API over HTTP, on both products."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from bridge.domain.alert import Link, Severity, Status
from bridge.sinks.jira.text import label_of
from tests.sinks.jira_site import Bench, bench, delivery, told
from tests.strategies import alert

FIRING = alert(0, service="checkout", url="https://sentry.example.com/issues/1", details="Traceback\n  boom")
RESOLVED = alert(12, Status.RESOLVED)
AGAIN = alert(20)


@pytest.fixture(params=["cloud", "datacenter"])
def site(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(cloud=request.param == "cloud") as bench_:
        yield bench_


def test_a_new_incident_becomes_one_issue_with_its_facts(site: Bench) -> None:
    incident = told(FIRING)
    receipt = site.jira.sync(delivery(incident))
    fields = site.issue.fields
    assert fields["summary"] == "[checkout] ZeroDivisionError"
    assert "[Trace|https://jaeger.example.com/trace/0af7]" in fields["description"]
    assert "{noformat}\nTraceback\n  boom\n{noformat}" in fields["description"]
    assert "||Seen |2026\\-11\\-21 14:00:00 KST |" in fields["description"]
    assert (fields["priority"], fields["labels"]) == ("High", [label_of(incident)])
    assert site.issue.comments == []
    assert receipt.handle == ("OPS-1", site.issue.id)
    assert receipt.link == Link("Jira OPS-1", f"{site.url}/jira/browse/OPS-1")
    assert (receipt.version, receipt.told, receipt.open) == (1, 1, True)


def test_a_sync_with_its_own_receipt_calls_nothing(site: Bench) -> None:
    incident = told(FIRING)
    receipt = site.jira.sync(delivery(incident))
    site.called()
    assert site.jira.sync(delivery(incident, receipt)) == receipt
    assert site.called() == []


def test_repeats_change_nothing_in_jira(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.called()
    repeated = told(FIRING, alert(1, event="second"), alert(2, event="third"))
    after = site.jira.sync(delivery(repeated, receipt))
    assert site.called() == []
    assert after.version == repeated.version


def test_a_resolution_is_told_once_and_closes_the_issue(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    resolved = told(FIRING, RESOLVED)
    receipt = site.jira.sync(delivery(resolved, receipt))
    assert (site.issue.status, site.issue.resolution) == ("Done", "Done")
    assert [c.body.splitlines()[0] for c in site.issue.comments] == ["Resolved after 12 min"]
    assert not receipt.open
    site.called()
    assert site.jira.sync(delivery(resolved, receipt)) == receipt
    assert site.called() == []


def test_the_same_incident_reopens_its_issue(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED), receipt))
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED, AGAIN), receipt))
    assert (site.issue.status, site.issue.resolution) == ("To Do", "")
    assert len(site.issue.comments) == 2
    assert receipt.open
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED, AGAIN, alert(30, Status.RESOLVED)), receipt))
    assert site.issue.status == "Done"


def test_resolved_and_firing_again_while_nobody_was_told_leaves_it_open_with_both_comments(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.jira.sync(delivery(told(FIRING, RESOLVED, AGAIN), receipt))
    assert site.issue.status == "To Do"
    assert len(site.issue.comments) == 2


def test_what_people_closed_as_wont_fix_is_left_alone(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED), receipt))
    site.state.close("OPS-1", "Won't Do")
    writes = site.issue.writes
    reopened = told(FIRING, RESOLVED, AGAIN)
    receipt = site.jira.sync(delivery(reopened, receipt))
    assert (site.issue.status, site.issue.resolution, site.issue.writes) == ("Done", "Won't Do", writes)
    assert receipt.version == receipt.told == reopened.version
    site.called()
    assert site.jira.sync(delivery(reopened, receipt)) == receipt
    assert site.called() == []


def test_what_people_closed_as_done_while_it_fires_stays_closed_until_it_comes_back(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.state.close("OPS-1", "Done")
    worse = alert(5, severity=Severity.CRITICAL)
    receipt = site.jira.sync(delivery(told(FIRING, worse), receipt))
    assert site.issue.status == "Done"
    receipt = site.jira.sync(delivery(told(FIRING, worse, RESOLVED), receipt))
    assert (site.issue.status, receipt.open) == ("Done", False)
    receipt = site.jira.sync(delivery(told(FIRING, worse, RESOLVED, AGAIN), receipt))
    assert (site.issue.status, receipt.open) == ("To Do", True)


def test_an_issue_people_closed_is_not_closed_again(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.state.close("OPS-1", "Duplicate")
    site.called()
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED), receipt))
    assert (site.issue.resolution, receipt.open) == ("Duplicate", False)
    assert "transition" not in site.called()


def test_fields_that_people_edited_are_never_overwritten(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    mine = {"summary": "Mine", "description": "Mine too", "labels": ["mine"], "priority": {"name": "Lowest"}}
    site.state.edit("OPS-1", mine)
    before = dict(site.issue.fields)
    worse = told(FIRING, alert(5, severity=Severity.CRITICAL, title="Worse", summary="much"), RESOLVED)
    site.jira.sync(delivery(worse, receipt))
    assert site.issue.fields == before


def test_an_untouched_priority_follows_the_severity(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    worse = alert(5, severity=Severity.CRITICAL)
    receipt = site.jira.sync(delivery(told(FIRING, worse), receipt))
    assert site.issue.fields["priority"] == "Highest"
    eased = alert(6, severity=Severity.WARNING)
    receipt = site.jira.sync(delivery(told(FIRING, worse, eased), receipt))
    assert site.issue.fields["priority"] == "Medium"
    assert [c.body.splitlines()[0] for c in site.issue.comments] == [
        "Severity raised from error to critical",
        "Severity eased from critical to warning",
    ]


def test_the_next_incident_gets_a_new_issue_linked_to_the_one_before(site: Bench) -> None:
    first = site.jira.sync(delivery(told(FIRING, RESOLVED)))
    recurred = told(FIRING, RESOLVED, alert(60 * 24 * 3))
    assert recurred.number == 2
    second = site.jira.sync(delivery(recurred, previous=first))
    assert second.handle[0] == "OPS-2"
    old, new = site.sandbox.issues
    assert new.links == [("Relates", old.id)]
    assert old.status == "Done"


def test_a_link_type_the_site_does_not_have_is_let_go(site: Bench) -> None:
    sink = site.sink(link_type="Caused by")
    first = sink.sync(delivery(told(FIRING, RESOLVED)))
    receipt = sink.sync(delivery(told(FIRING, RESOLVED, alert(60 * 24 * 3)), previous=first))
    assert receipt.handle[0] == "OPS-2"
    assert any(memo.startswith("related=") for memo in receipt.memo)


def test_remote_links_lead_to_the_source_and_to_slack_once_each(site: Bench) -> None:
    incident = told(FIRING)
    receipt = site.jira.sync(delivery(incident))
    slack = Link("Slack #oncall", "https://example.slack.com/archives/C0/p1")
    receipt = site.jira.sync(delivery(incident, receipt, peers=(slack,)))
    shown = [(link["object"]["title"], link["object"]["url"]) for link in site.issue.remote_links]
    assert shown == [("sentry: ZeroDivisionError", FIRING.url), ("Slack #oncall", slack.url)]
    moved = Link(slack.label, "https://example.slack.com/archives/C0/p2")
    receipt = site.jira.sync(delivery(incident, receipt, peers=(moved,)))
    assert len(site.issue.remote_links) == 2
    site.called()
    site.jira.sync(delivery(incident, receipt, peers=(moved,)))
    assert site.called() == []


def test_a_problem_that_is_over_before_it_is_told_gets_a_closed_issue(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED)))
    assert (site.issue.status, receipt.open, site.issue.comments) == ("Done", False, [])
    assert "resolved after 12 min" in site.issue.fields["description"]


def test_a_resolution_without_any_firing_shows_nothing(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(RESOLVED)))
    assert site.sandbox.issues == []
    assert (receipt.handle, receipt.open) == ((), False)


def test_a_moved_issue_is_followed_under_its_new_key(site: Bench) -> None:
    receipt = site.jira.sync(delivery(told(FIRING)))
    site.state.move("OPS-1", "ARCHIVE")
    receipt = site.jira.sync(delivery(told(FIRING, RESOLVED), receipt))
    assert receipt.handle[0] == "ARCHIVE-1"
    assert receipt.link is not None
    assert receipt.link.url.endswith("/browse/ARCHIVE-1")
    assert site.issue.status == "Done"


def test_a_deleted_issue_is_made_anew_only_while_the_problem_is_there(site: Bench) -> None:
    first = site.jira.sync(delivery(told(FIRING)))
    site.state.delete("OPS-1")
    gone = site.jira.sync(delivery(told(FIRING, RESOLVED), first))
    assert (site.sandbox.issues, gone.open) == ([], False)
    again = site.jira.sync(delivery(told(FIRING, RESOLVED, AGAIN), gone))
    assert again.handle[0] == site.issue.key == "OPS-2"


def test_resolution_and_transition_can_be_named(site: Bench) -> None:
    sink = site.sink(resolve="done", resolution="Fixed", reopen="21")
    receipt = sink.sync(delivery(told(FIRING)))
    receipt = sink.sync(delivery(told(FIRING, RESOLVED), receipt))
    assert (site.issue.status, site.issue.resolution) == ("Done", "Fixed")


def test_a_resolution_is_not_sent_where_the_screen_has_none(site: Bench) -> None:
    site.state.resolution_screen = False
    sink = site.sink(resolution="Fixed", reopen="in progress")
    receipt = sink.sync(delivery(told(FIRING)))
    receipt = sink.sync(delivery(told(FIRING, RESOLVED), receipt))
    assert (site.issue.status, site.issue.resolution) == ("Done", "Done")
    sink.sync(delivery(told(FIRING, RESOLVED, AGAIN), receipt))
    assert site.issue.status == "In Progress"


def test_configured_fields_are_filled_in(site: Bench) -> None:
    site.state.screen |= {"customfield_1", "customfield_2"}
    fields = {
        "components": [{"name": "{{ service }}"}],
        "customfield_1": {"value": "{{ labels.team | default('nobody') }}"},
        "customfield_2": 3,
    }
    sink = site.sink(fields=fields, labels=["alerts"], issue_type="Task")
    incident = told(msgspec.structs.replace(FIRING, labels={"team": "결제"}))
    sink.sync(delivery(incident))
    shown = site.issue.fields
    assert (shown["components"], shown["customfield_1"]) == ([{"name": "checkout"}], {"value": "결제"})
    assert (shown["customfield_2"], shown["issuetype"]) == (3, "Task")
    assert shown["labels"] == ["alerts", label_of(incident)]


def test_several_threads_share_one_sink(site: Bench) -> None:
    incidents = [told(alert(0, fingerprint=f"{n:024x}")) for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda incident: site.jira.sync(delivery(incident)), incidents))
    assert len({receipt.handle for receipt in receipts}) == len(site.sandbox.issues) == 12
