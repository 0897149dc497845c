"""What `doctor` looks at in a Jira destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from bridge.ports import Finding, Level, Outcome
from bridge.sinks.jira.options import JiraOptions
from bridge.sinks.jira.site import CHECK, Named, Site

PERMISSIONS = {
    "BROWSE_PROJECTS": "Browse Projects",
    "CREATE_ISSUES": "Create Issues",
    "EDIT_ISSUES": "Edit Issues",
    "TRANSITION_ISSUES": "Transition Issues",
    "ADD_COMMENTS": "Add Comments",
    "LINK_ISSUES": "Link Issues",
}
OPTIONAL = ("EDIT_ISSUES", "LINK_ISSUES")
SKEW = timedelta(minutes=2)
AGAIN = "see the reason; then run `alert-bridge doctor` again"
UNREACHED = "check `url`, DNS, proxy and certificate from this machine"
_GIVEN = frozenset({"project", "issuetype", "summary", "description", "labels", "priority"})


def examine(site: Site, options: JiraOptions) -> list[Finding]:
    """Return what is right and wrong, in the order in which it should be mended; stops where going on is useless."""
    findings: list[Finding] = []
    for check in (_address, _account, _project, _permissions, _issue_type, _workflow):
        findings.extend(_safely(lambda check=check: check(site, options)))  # type: ignore[misc]  # bound on purpose
        if findings[-1].level is Level.FAIL and check in (_address, _account, _project):
            break
    return findings


def may_browse(site: Site, options: JiraOptions) -> bool:
    """Return True if the account may see issues of the project; raises an Outcome when that can't be asked."""
    return _granted(site, options, "BROWSE_PROJECTS")["BROWSE_PROJECTS"]


def _safely(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Outcome as problem:
        reason = problem.reason.removesuffix(CHECK)
        return [Finding(Level.FAIL, reason, AGAIN if reason == problem.reason else UNREACHED)]
    except (KeyError, TypeError, AttributeError) as error:
        return [Finding(Level.FAIL, f"Jira's answer lacks {error}", "check that url is a Jira site's address")]


def _address(site: Site, options: JiraOptions) -> Iterator[Finding]:
    response = site.answer("asking which Jira this is", "serverInfo")
    info = response.json()
    cloud = info["deploymentType"] == "Cloud"
    kind = "cloud" if cloud else "datacenter"
    yield Finding(Level.OK, f"Jira {'Cloud' if cloud else 'Data Center'} {info.get('version', '')} at {site.url}")
    if options.flavour not in ("auto", kind):
        yield Finding(Level.WARN, f"flavour is {options.flavour}, the site says {kind}", f"set flavour: {kind}")
    if not site.url.startswith("https://") and "localhost" not in site.url and "127.0.0.1" not in site.url:
        yield Finding(Level.WARN, "the token travels unencrypted", "use Jira's https address as url")
    if "Date" in response.headers:
        yield _clock(parsedate_to_datetime(response.headers["Date"]))


def _clock(theirs: datetime) -> Finding:
    skew = abs(datetime.now(UTC) - theirs.astimezone(UTC))
    if skew <= SKEW:
        return Finding(Level.OK, "this machine's clock agrees with Jira's")
    what = f"this machine's clock is {int(skew.total_seconds())} s off Jira's"
    return Finding(Level.WARN, what, "synchronise it (NTP): times in issues and webhook ages depend on it")


def _account(site: Site, options: JiraOptions) -> Iterator[Finding]:
    me = site.get("logging in", "myself")
    who = me.get("emailAddress") or me.get("name") or me.get("accountId") or "an unnamed account"
    yield Finding(Level.OK, f"logged in as {me.get('displayName', who)} ({who})")


def _project(site: Site, options: JiraOptions) -> Iterator[Finding]:
    found = site.get(f"looking up project {options.project}", f"project/{options.project}")
    yield Finding(Level.OK, f"project {found['key']} ({found.get('name', '')}) exists")


def _permissions(site: Site, options: JiraOptions) -> Iterator[Finding]:
    granted = _granted(site, options, *PERMISSIONS)
    missing = [key for key, has in granted.items() if not has]
    for key in missing:
        level = Level.WARN if key in OPTIONAL else Level.FAIL
        do = f"grant {PERMISSIONS[key]} in the permission scheme of {options.project}"
        yield Finding(level, f"the account lacks {PERMISSIONS[key]} in {options.project}", do)
    if not missing:
        yield Finding(Level.OK, f"permissions in {options.project}: {', '.join(PERMISSIONS.values())}")


def _granted(site: Site, options: JiraOptions, *keys: str) -> dict[str, bool]:
    with site.asking("asking for permissions", idempotent=True) as client:
        answer: dict[str, Any] = client.my_permissions(projectKey=options.project, permissions=",".join(keys))
        known: dict[str, Any] = answer["permissions"]
    return {key: bool(known.get(key, {}).get("havePermission")) for key in keys}


def _issue_type(site: Site, options: JiraOptions) -> Iterator[Finding]:
    """Compare the create screen with what the bridge fills in.

    The package refuses these calls on Cloud, where the older form is deprecated; both products have this one.
    """
    path = f"issue/createmeta/{options.project}/issuetypes"
    types = _values(site.get("asking for issue types", path, maxResults="200"), "issueTypes")
    wanted = [t for t in types if Named(str(t["id"]), t["name"]).answers_to(options.issue_type)]
    if not wanted:
        names = ", ".join(t["name"] for t in types) or "none"
        what = f"project {options.project} has no issue type {options.issue_type}"
        yield Finding(Level.FAIL, what, f"set issue_type to one of: {names}")
        return
    yield Finding(Level.OK, f"issue type {wanted[0]['name']} exists")
    path = f"{path}/{wanted[0]['id']}"
    yield from _screen(_values(site.get("asking for fields", path, maxResults="200"), "fields"), options)


def _screen(fields: list[dict[str, Any]], options: JiraOptions) -> Iterator[Finding]:
    known = {str(f.get("fieldId") or f.get("key")): f for f in fields}
    if "labels" not in known:
        do = "add Labels to the create screen: by its label an issue is found again"
        yield Finding(Level.FAIL, "the create screen has no field Labels", do)
    filled = _GIVEN | set(options.fields)
    for name, field in known.items():
        if field.get("required") and not field.get("hasDefaultValue") and name not in filled and name != "reporter":
            do = f"set fields: {{{name}: …}}, or make it optional"
            yield Finding(Level.FAIL, f"the create screen requires {field.get('name', name)} ({name})", do)
    for name in options.fields:
        if name not in known:
            yield Finding(Level.WARN, f"{name} is not on the create screen", "remove it from fields, or add it there")
    yield from _priorities(known.get("priority"), options)


def _priorities(field: dict[str, Any] | None, options: JiraOptions) -> Iterator[Finding]:
    wanted = [name for name in options.priority.values() if name]
    if wanted and field is None:
        yield Finding(Level.WARN, "the create screen has no field Priority", "set priority: {}, or add it there")
        return
    allowed = [Named(str(v.get("id", "")), v.get("name", "")) for v in (field or {}).get("allowedValues", [])]
    unknown = [name for name in wanted if not any(value.answers_to(name) for value in allowed)]
    if allowed and unknown:
        names = ", ".join(value.name for value in allowed)
        yield Finding(Level.WARN, f"unknown priorities: {', '.join(unknown)}", f"set priority to some of: {names}")


def _workflow(site: Site, options: JiraOptions) -> Iterator[Finding]:
    closing = f'transition "{options.resolve}"' if options.resolve else "the first transition into a Done status"
    reopening = f'transition "{options.reopen}"' if options.reopen else "the first out of it"
    unset = [f"`{name}`" for name in ("resolve", "reopen") if not getattr(options, name)]
    hint = f" (set {'/'.join(unset)} to choose)" if unset else ""
    yield Finding(Level.OK, f"closing uses {closing}, reopening {reopening}{hint}")


def _values(page: dict[str, Any], cloud_name: str) -> list[dict[str, Any]]:
    """Return a page's items: under `values` on Data Center, under their own name on Cloud."""
    found: list[dict[str, Any]] = page.get("values") or page.get(cloud_name) or []
    return found
