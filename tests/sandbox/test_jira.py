"""The sandbox's Jira speaks the API: the real client's own calls work, and it refuses what Jira refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from jira import JIRA
from starlette.applications import Starlette

from bridge.sandbox.faults import lag
from bridge.sandbox.jira import TOKEN, USER, JiraSandbox
from tests.sandbox_server import running

NOW = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


class Site:
    def __init__(self, sandbox: JiraSandbox, url: str) -> None:
        self.sandbox = sandbox
        self.url = f"{url}/jira"
        self.http = httpx.Client(base_url=f"{url}/jira/rest/api/2/", auth=(USER, TOKEN))
        login = {"basic_auth": (USER, TOKEN)} if sandbox.state.cloud else {"token_auth": TOKEN}
        self.jira = JIRA(self.url, **login, max_retries=0, timeout=60)

    def post(self, **fields: object) -> httpx.Response:
        body = {"project": {"key": "OPS"}, "issuetype": {"name": "Bug"}, "summary": "s", **fields}
        return self.http.post("issue", json={"fields": body})


@pytest.fixture(params=["cloud", "datacenter"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    sandbox = JiraSandbox(flavour=request.param)
    with running(Starlette(routes=sandbox.routes())) as url:
        site = Site(sandbox, url)
        yield site
        site.http.close()
        site.jira.close()  # type: ignore[no-untyped-call]  # the package's own


def test_the_real_client_creates_searches_comments_and_closes(site: Site) -> None:
    fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Bug"}, "summary": "Hello", "labels": ["ab-1"]}
    issue = site.jira.create_issue(fields=fields)
    assert (issue.key, issue.fields.summary, issue.fields.status.name) == ("OPS-1", "Hello", "To Do")
    found = site.jira.search_issues('project = "OPS" AND labels = "ab-1" ORDER BY created ASC', fields="summary")
    assert [i.key for i in found] == ["OPS-1"]
    site.jira.add_comment("OPS-1", "first")
    assert [c.body for c in site.jira.comments("OPS-1")] == ["first"]
    site.jira.transition_issue("OPS-1", "Done", fields={"resolution": {"name": "Done"}})
    assert site.jira.issue("OPS-1").fields.status.statusCategory.key == "done"
    issue.update(summary="Edited")
    assert site.sandbox.issues[0].fields["summary"] == "Edited"
    site.jira.issue("OPS-1").delete()  # type: ignore[no-untyped-call]  # the package's own
    assert site.sandbox.issues == []


def test_the_real_client_links_issues(site: Site) -> None:
    site.post()
    site.post()
    site.jira.create_issue_link("Relates", "OPS-1", "OPS-2")
    one, two = site.sandbox.issues
    assert (one.links, two.links) == ([("Relates", two.id)], [("Relates", one.id)])


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"summary": ""}, "summary", "You must specify a summary"),
        ({"summary": "a\nb"}, "summary", "newline"),
        ({"summary": "x" * 256}, "summary", "255 characters"),
        ({"summary": "😀" * 128}, "summary", "255 characters"),
        ({"labels": ["a b"]}, "labels", "contains spaces"),
        ({"labels": ["x" * 256]}, "labels", "maximum length"),
        ({"description": "x" * 32_768}, "description", "32,767"),
        ({"description": {"type": "doc"}}, "description", "must be a string"),
        ({"priority": {"name": "P1"}}, "priority", "priority selected is invalid"),
        ({"issuetype": {"name": "Nope"}}, "issuetype", "issue type selected is invalid"),
        ({"project": {"key": "NOPE"}}, "project", "valid project is required"),
        ({"customfield_1": "x"}, "customfield_1", "appropriate screen"),
    ],
)
def test_what_jira_refuses_is_refused(site: Site, fields: dict[str, object], name: str, words: str) -> None:
    answer = site.post(**fields)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][name]


def test_only_the_account_gets_in(site: Site) -> None:
    for auth in (("x", "y"), (USER, "wrong"), None):
        assert httpx.get(f"{site.url}/rest/api/2/myself", auth=auth).status_code == 401
    assert httpx.get(f"{site.url}/rest/api/2/serverInfo").status_code == 200
    bearer = httpx.get(f"{site.url}/rest/api/2/myself", headers={"Authorization": f"Bearer {TOKEN}"})
    assert bearer.status_code == (401 if site.sandbox.state.cloud else 200)


def test_each_product_has_its_own_search(site: Site) -> None:
    jql = {"jql": 'labels = "x"'}
    answers = (site.http.get("search", params=jql).status_code, site.http.post("search/jql", json=jql).status_code)
    assert answers == ((410, 200) if site.sandbox.state.cloud else (200, 404))


def test_the_index_can_lag_behind() -> None:
    clock = [NOW]
    sandbox = JiraSandbox(clock=lambda: clock[0])
    sandbox.faults.add(lag("search", 60))
    with running(Starlette(routes=sandbox.routes())) as url:
        site = Site(sandbox, url)
        site.post(labels=["ab-1"])
        query = {"jql": 'labels = "ab-1"', "fields": "summary"}
        assert site.http.get("search/jql", params=query).json()["issues"] == []
        clock[0] += timedelta(seconds=61)
        assert len(site.http.get("search/jql", params=query).json()["issues"]) == 1
        site.http.close()
        site.jira.close()  # type: ignore[no-untyped-call]  # the package's own


def test_jql_it_does_not_know_is_an_error(site: Site) -> None:
    path = "search/jql" if site.sandbox.state.cloud else "search"
    for jql in ("", "summary ~ x", 'labels = "a" OR labels = "b"', 'labels = "a" AND'):
        assert site.http.get(path, params={"jql": jql}).status_code == 400
    assert site.http.get(path, params={"jql": r'labels = "a\"b"'}).json()["issues"] == []


def test_a_remote_link_is_replaced_by_its_global_id(site: Site) -> None:
    site.post()
    for title, status in (("one", 201), ("two", 200)):
        link = {"globalId": "g", "object": {"url": "https://example.com", "title": title}}
        assert site.http.post("issue/OPS-1/remotelink", json=link).status_code == status
    assert [link["object"]["title"] for link in site.sandbox.issues[0].remote_links] == ["two"]


def test_a_transition_refuses_a_resolution_its_screen_does_not_show(site: Site) -> None:
    site.post()
    site.sandbox.state.resolution_screen = False
    body = {"transition": {"id": "31"}, "fields": {"resolution": {"name": "Done"}}}
    assert "resolution" in site.http.post("issue/OPS-1/transitions", json=body).json()["errors"]
    assert site.http.post("issue/OPS-1/transitions", json={"transition": {"id": "99"}}).status_code == 400


def test_the_state_survives_being_dumped_and_loaded(site: Site) -> None:
    site.post(labels=["ab-1"])
    site.http.post("issue/OPS-1/comment", json={"body": "hi", "properties": [{"key": "p", "value": 1}]})
    dumped = msgspec.json.decode(msgspec.json.encode(site.sandbox.dump()))
    other = JiraSandbox()
    other.load(dumped)
    assert other.issues == site.sandbox.issues
    assert other.state.create({"project": {"key": "OPS"}, "issuetype": {"id": "1"}, "summary": "s"}, "x").key == "OPS-2"
