"""How Jira shows what it holds, in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bridge.sandbox.jira.rules import ISSUE_TYPES, LINK_TYPES, PRIORITIES, RESOLUTIONS, STATUSES, Status
from bridge.sandbox.jira.state import Comment, Issue, JiraState

_CATEGORY_IDS = {"new": 2, "indeterminate": 4, "done": 3}


def choices(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return fixed choices with ids that count from 1."""
    return [{"id": str(number), "name": name} for number, name in enumerate(names, 1)]


def link_types() -> list[dict[str, Any]]:
    """Return the link types, with what they are called from either end."""
    return [{**kind, "inward": kind["name"].lower(), "outward": kind["name"].lower()} for kind in choices(LINK_TYPES)]


def user(account: str, *, cloud: bool) -> dict[str, Any]:
    """Return an account: by accountId on Cloud, by name on Data Center."""
    shown: dict[str, Any] = {"displayName": "Alert bridge", "emailAddress": account, "active": True}
    return {**shown, "accountId": f"id:{account}"} if cloud else {**shown, "name": account, "key": account}


def issue(held: Issue, base: str, fields: list[str], properties: list[str]) -> dict[str, Any]:
    """Return an issue with the fields that were asked for."""
    shown: dict[str, Any] = {"id": held.id, "key": held.key, "self": f"{base}issue/{held.id}"}
    if fields == ["id"]:
        return {"id": held.id}
    known = _fields(held)
    shown["fields"] = known if "*all" in fields else {name: known[name] for name in fields if name in known}
    if properties:
        shown["properties"] = {p["key"]: p["value"] for p in held.properties if p["key"] in properties}
    return shown


def _fields(held: Issue) -> dict[str, Any]:
    return {
        **held.fields,
        "priority": _choice(PRIORITIES, held.fields.get("priority", "")),
        "issuetype": _choice(ISSUE_TYPES, held.fields.get("issuetype", "")),
        "project": {"key": held.project},
        "status": status(next(s for s in STATUSES if s.name == held.status)),
        "resolution": _choice(RESOLUTIONS, held.resolution) or ({"name": held.resolution} if held.resolution else None),
        "created": stamp(held.created),
        "reporter": {"displayName": held.reporter},
    }


def _choice(names: tuple[str, ...], name: str) -> dict[str, Any] | None:
    return next((c for c in choices(names) if c["name"] == name), None)


def status(held: Status) -> dict[str, Any]:
    """Return a status with its category."""
    category = {"id": _CATEGORY_IDS[held.category], "key": held.category}
    return {"id": held.id, "name": held.name, "statusCategory": category}


def transition(target: Status, site: JiraState, *, expanded: bool) -> dict[str, Any]:
    """Return the transition to a status: it has the status's id and name."""
    screen = target.category == "done" and site.resolution_screen
    shown: dict[str, Any] = {"id": target.id, "name": target.name, "hasScreen": screen, "to": status(target)}
    if expanded:
        field = {"required": True, "allowedValues": choices(RESOLUTIONS)}
        shown["fields"] = {"resolution": field} if screen else {}
    return shown


def comment(held: Comment, *, properties: bool) -> dict[str, Any]:
    """Return a comment."""
    shown: dict[str, Any] = {"id": held.id, "body": held.body, "created": stamp(held.created)}
    shown["author"] = {"displayName": held.author}
    return {**shown, "properties": held.properties} if properties else shown


def screen(site: JiraState) -> list[dict[str, Any]]:
    """Return the fields of the create screen."""
    names = sorted({"project", "issuetype", *site.screen, *site.required})
    return [_on_screen(name, site) for name in names]


def _on_screen(name: str, site: JiraState) -> dict[str, Any]:
    required = name in site.required or name in ("project", "issuetype")
    label = site.required.get(name, name.capitalize())
    shown: dict[str, Any] = {"fieldId": name, "key": name, "name": label, "required": required}
    return {**shown, "hasDefaultValue": False, **({"allowedValues": choices(PRIORITIES)} if name == "priority" else {})}


def stamp(at: datetime) -> str:
    """Return a time as Jira writes it: 2026-11-21T05:00:00.000+0000."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}{at:%z}"
