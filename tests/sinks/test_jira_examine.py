"""What `doctor` says about a Jira destination."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.ports import Level
from bridge.sandbox.faults import html, server_error
from bridge.sinks.jira import Jira
from tests.sinks.jira_site import Bench, bench


@pytest.fixture(params=["cloud", "datacenter"])
def site(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(cloud=request.param == "cloud") as bench_:
        yield bench_


def said(sink: Jira) -> list[str]:
    return [f"{f.level}: {f.what}" + (f" -> {f.do}" if f.do else "") for f in sink.examine()]


def test_a_good_destination_has_nothing_to_do(site: Bench) -> None:
    findings = list(site.jira.examine())
    assert {f.level for f in findings} == {Level.OK}
    assert [f.do for f in findings if f.do] == []
    product = "Jira Cloud 1001.0.0" if site.state.cloud else "Jira Data Center 9.12.4"
    assert findings[0].what == f"{product} at {site.url}/jira"


def test_a_wrong_token_stops_the_examination(site: Bench) -> None:
    findings = list(site.sink(token="wrong").examine())
    assert findings[-1].level is Level.FAIL
    assert "check user and token" in findings[-1].what


def test_a_site_that_cannot_be_reached_is_to_be_looked_for_from_here(site: Bench) -> None:
    (only,) = said(site.sink(url="http://127.0.0.1:1/jira"))
    assert only.startswith("fail: asking which Jira this is: can't connect (")
    assert only.endswith(") -> check `url`, DNS, proxy and certificate from this machine")


def test_how_issues_are_closed_and_reopened_is_said(site: Bench) -> None:
    default = "closing uses the first transition into a Done status, reopening the first out of it"
    assert f"ok: {default} (set `resolve`/`reopen` to choose)" in said(site.jira)
    named = 'closing uses transition "Close", reopening the first out of it (set `reopen` to choose)'
    assert f"ok: {named}" in said(site.sink(resolve="Close"))


def test_a_project_that_is_not_there(site: Bench) -> None:
    assert "No project could be found with key 'NOPE'" in said(site.sink(project="NOPE"))[-1]


def test_each_missing_permission_is_named(site: Bench) -> None:
    site.state.permissions -= {"TRANSITION_ISSUES", "LINK_ISSUES"}
    lines = said(site.jira)
    assert (
        "fail: the account lacks Transition Issues in OPS -> grant Transition Issues in the permission scheme of OPS"
        in lines
    )
    assert "warn: the account lacks Link Issues in OPS -> grant Link Issues in the permission scheme of OPS" in lines


def test_an_issue_type_that_is_not_there(site: Bench) -> None:
    wanted = "fail: project OPS has no issue type Incident -> set issue_type to one of: Task, Bug, Story"
    assert wanted in said(site.sink(issue_type="Incident"))


def test_required_fields_that_the_config_does_not_fill(site: Bench) -> None:
    site.state.required |= {"customfield_7": "Team", "customfield_8": "Area"}
    lines = said(site.sink(fields={"customfield_8": "x", "customfield_9": "y"}))
    do = "set fields: {customfield_7: …}, or make it optional"
    assert f"fail: the create screen requires Team (customfield_7) -> {do}" in lines
    assert not any("Area" in line for line in lines)
    assert any(line.startswith("warn: customfield_9 is not on the create screen") for line in lines)


def test_a_screen_without_labels_or_priority(site: Bench) -> None:
    site.state.screen -= {"labels", "priority"}
    lines = said(site.jira)
    assert any(line.startswith("fail: the create screen has no field Labels -> add Labels") for line in lines)
    assert any(line.startswith("warn: the create screen has no field Priority") for line in lines)


def test_priorities_that_the_site_does_not_have(site: Bench) -> None:
    wanted = "warn: unknown priorities: P1 -> set priority to some of: Highest, High, Medium, Low, Lowest"
    assert wanted in said(site.sink(priority={"critical": "P1", "error": "High"}))


def test_a_flavour_that_is_not_the_sites(site: Bench) -> None:
    other, own = ("datacenter", "cloud") if site.state.cloud else ("cloud", "datacenter")
    assert f"warn: flavour is {other}, the site says {own} -> set flavour: {own}" in said(site.sink(flavour=other))


def test_a_site_that_is_down_or_another_page_altogether(site: Bench) -> None:
    for fault in (server_error("serverInfo", 503), html("serverInfo")):
        site.faults.add(fault)
        (only,) = site.jira.examine()
        assert only.level is Level.FAIL


def test_examining_creates_nothing(site: Bench) -> None:
    list(site.jira.examine())
    assert site.sandbox.issues == []
