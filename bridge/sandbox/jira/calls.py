"""The calls of Jira's REST API that the sandbox answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.sandbox.jira import shapes
from bridge.sandbox.jira.rules import ISSUE_TYPES, LINK_TYPES, PRIORITIES, STATUSES, RefusedByJira
from bridge.sandbox.jira.state import Issue, JiraState


class Call:
    """One request to the API, by an account that is logged in."""

    def __init__(self, site: JiraState, request: Request, body: bytes, account: str, lag: timedelta) -> None:
        self.site = site
        self.path = request.path_params
        self.query = request.query_params
        self.account = account
        self.lag = lag
        self.base = str(request.url).partition("/rest/api/")[0] + "/rest/api/2/"
        try:
            self.body: dict[str, Any] = json.loads(body) if body else {}
        except ValueError:
            raise RefusedByJira(400, "Unexpected character: the body is not JSON") from None

    @property
    def issue(self) -> Issue:
        """The issue that the path names."""
        return self.site.issue(self.path["key"])

    def words(self, name: str, default: str = "") -> list[str]:
        """Return a parameter's words: repeated or separated by commas in the query, a list in a JSON body."""
        given = self.query.getlist(name) or self.body.get(name) or default
        listed = [given] if isinstance(given, str) else given
        return [word for item in listed for word in str(item).split(",") if word]


Act = Callable[[Call], Response]

# --- the site ------------------------------------------------------------------------------------------------


def server_info(call: Call) -> Response:
    numbers = [1001, 0, 0] if call.site.cloud else [9, 12, 4]
    return JSONResponse(
        {
            "version": ".".join(map(str, numbers)),
            "versionNumbers": numbers,
            "deploymentType": "Cloud" if call.site.cloud else "Server",
            "serverTitle": "Sandbox",
        }
    )


def myself(call: Call) -> Response:
    return JSONResponse(shapes.user(call.account, cloud=call.site.cloud))


def my_permissions(call: Call) -> Response:
    asked = call.words("permissions")
    if call.site.cloud and not asked:
        raise RefusedByJira(400, "The 'permissions' query parameter is required.")
    keys = asked or sorted(call.site.permissions)
    granted = {key: {"key": key, "havePermission": key in call.site.permissions} for key in keys}
    return JSONResponse({"permissions": granted})


def project(call: Call) -> Response:
    return JSONResponse({"id": "10000", "key": call.site.project(call.path["key"]), "name": "Operations"})


def priorities(call: Call) -> Response:
    return JSONResponse(shapes.choices(PRIORITIES))


def all_fields(call: Call) -> Response:
    return JSONResponse([{"id": name, "name": name, "clauseNames": [name]} for name in sorted(call.site.screen)])


def link_types(call: Call) -> Response:
    return JSONResponse({"issueLinkTypes": shapes.link_types()})


def createmeta(call: Call) -> Response:
    """Answer the older form, which Data Center 9 no longer has."""
    if not call.site.cloud:
        raise RefusedByJira(404, "Issue Does Not Exist")
    fields = {field["fieldId"]: field for field in shapes.screen(call.site)}
    types = [{**choice, "fields": fields} for choice in shapes.choices(ISSUE_TYPES)]
    asked = call.words("projectKeys") or list(call.site.projects)
    return JSONResponse({"projects": [{"key": k, "issuetypes": types} for k in call.site.projects if k in asked]})


def issue_types(call: Call) -> Response:
    call.site.project(call.path["key"])
    return _page(call, "issueTypes", shapes.choices(ISSUE_TYPES))


def issue_fields(call: Call) -> Response:
    call.site.project(call.path["key"])
    return _page(call, "fields", shapes.screen(call.site))


def _page(call: Call, cloud_name: str, items: list[dict[str, Any]]) -> Response:
    name = cloud_name if call.site.cloud else "values"
    return JSONResponse({"startAt": 0, "maxResults": 50, "total": len(items), name: items})


# --- issues --------------------------------------------------------------------------------------------------


def create(call: Call) -> Response:
    issue = call.site.create(call.body.get("fields") or {}, call.account, call.body.get("properties"))
    return JSONResponse({"id": issue.id, "key": issue.key, "self": f"{call.base}issue/{issue.id}"}, 201)


def get(call: Call) -> Response:
    return JSONResponse(_shown(call, call.issue, "*all"))


def edit(call: Call) -> Response:
    call.site.edit(call.path["key"], call.body.get("fields") or {})
    return Response(status_code=204)


def delete(call: Call) -> Response:
    call.site.need("DELETE_ISSUES", RefusedByJira(403, "You do not have permission to delete issues."))
    call.site.delete(call.path["key"])
    return Response(status_code=204)


def search(call: Call) -> Response:
    """Answer the older search: removed on Cloud."""
    if call.site.cloud:
        text = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
        raise RefusedByJira(410, text)
    found, limit = _found(call)
    start = int("".join(call.words("startAt", "0")))
    issues = [_shown(call, issue, "*all") for issue in found]
    page = issues[start : start + limit]
    return JSONResponse({"startAt": start, "maxResults": limit, "total": len(found), "issues": page})


def search_jql(call: Call) -> Response:
    """Answer Cloud's search: no total, and only the id of issues unless fields are asked for."""
    if not call.site.cloud:
        raise RefusedByJira(404, "null for uri: /rest/api/2/search/jql")
    found, limit = _found(call)
    issues = [_shown(call, issue, "id") for issue in found[:limit]]
    return JSONResponse({"issues": issues, "isLast": len(found) <= limit})


def _shown(call: Call, issue: Issue, default: str) -> dict[str, Any]:
    return shapes.issue(issue, call.base, call.words("fields", default), call.words("properties"))


def _found(call: Call) -> tuple[list[Issue], int]:
    jql = call.query.get("jql") or str(call.body.get("jql", ""))
    return call.site.search(jql, call.lag), int("".join(call.words("maxResults", "50")))


def comments(call: Call) -> Response:
    found = list(call.issue.comments)
    if "-created" in call.words("orderBy"):
        found.reverse()
    start, limit = int("".join(call.words("startAt", "0"))), int("".join(call.words("maxResults", "1000")))
    shown = [shapes.comment(c, properties="properties" in call.words("expand")) for c in found[start : start + limit]]
    return JSONResponse({"startAt": start, "maxResults": limit, "total": len(found), "comments": shown})


def add_comment(call: Call) -> Response:
    body, properties = str(call.body.get("body", "")), call.body.get("properties")
    added = call.site.comment(call.path["key"], body, call.account, properties)
    return JSONResponse(shapes.comment(added, properties=True), 201)


def transitions(call: Call) -> Response:
    issue, site = call.issue, call.site
    expanded = "transitions.fields" in call.words("expand")
    offered = [s for s in STATUSES if s.name in site.transitions and s.name != issue.status and site.may_move]
    return JSONResponse({"transitions": [shapes.transition(s, site, expanded=expanded) for s in offered]})


def transition(call: Call) -> Response:
    wanted = str((call.body.get("transition") or {}).get("id", ""))
    call.site.transition(call.path["key"], wanted, call.body.get("fields") or {})
    return Response(status_code=204)


def remote_links(call: Call) -> Response:
    return JSONResponse(call.issue.remote_links)


def remote_link(call: Call) -> Response:
    """Add a link, or replace the one with the same globalId."""
    call.site.need("LINK_ISSUES", RefusedByJira(403, "No Link Issue Permission for issue."))
    shown = call.body.get("object") or {}
    if not shown.get("url") or not shown.get("title"):
        raise RefusedByJira(400, object="'url' and 'title' are required.")
    links, global_id = call.issue.remote_links, call.body.get("globalId")
    old = next((link for link in links if global_id and link.get("globalId") == global_id), None)
    link = {**call.body, "id": old["id"] if old else 10_000 + len(links)}
    if old:
        links.remove(old)
    links.append(link)
    return JSONResponse({"id": link["id"]}, 200 if old else 201)


def link(call: Call) -> Response:
    """Link two issues; a link that is there already is not added again."""
    call.site.need("LINK_ISSUES", RefusedByJira(401, "No Link Issue Permission for issue."))
    name = (call.body.get("type") or {}).get("name")
    if name not in LINK_TYPES:
        raise RefusedByJira(404, f"No issue link type with name '{name}' found.")
    ends = (call.body.get("inwardIssue") or {}, call.body.get("outwardIssue") or {})
    inward, outward = (call.site.issue(str(end.get("id") or end.get("key"))) for end in ends)
    for one, other in ((inward, outward), (outward, inward)):
        if (name, other.id) not in one.links:
            one.links.append((name, other.id))
    return Response(status_code=201)


TABLE: list[tuple[str, str, str, Act]] = [
    ("GET", "serverInfo", "serverInfo", server_info),
    ("GET", "myself", "myself", myself),
    ("GET", "mypermissions", "mypermissions", my_permissions),
    ("GET", "priority", "priority", priorities),
    ("GET", "field", "field", all_fields),
    ("GET", "issueLinkType", "issueLinkType", link_types),
    ("GET", "project/{key}", "project", project),
    ("GET", "issue/createmeta", "createmeta", createmeta),
    ("GET", "issue/createmeta/{key}/issuetypes", "createmeta", issue_types),
    ("GET", "issue/createmeta/{key}/issuetypes/{type}", "createmeta", issue_fields),
    ("POST", "issue", "createIssue", create),
    ("GET", "issue/{key}", "getIssue", get),
    ("PUT", "issue/{key}", "editIssue", edit),
    ("DELETE", "issue/{key}", "deleteIssue", delete),
    ("GET", "issue/{key}/comment", "getComments", comments),
    ("POST", "issue/{key}/comment", "addComment", add_comment),
    ("GET", "issue/{key}/transitions", "getTransitions", transitions),
    ("POST", "issue/{key}/transitions", "transition", transition),
    ("GET", "issue/{key}/remotelink", "getRemoteLinks", remote_links),
    ("POST", "issue/{key}/remotelink", "remotelink", remote_link),
    ("POST", "issueLink", "issueLink", link),
    ("GET", "search", "search", search),
    ("POST", "search", "search", search),
    ("GET", "search/jql", "search", search_jql),
    ("POST", "search/jql", "search", search_jql),
]
"""Method, path below /rest/api/2/, name for faults, what it does."""
