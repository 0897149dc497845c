"""What Jira refuses, in its own words, and the fixed choices of the sandbox's site."""

from __future__ import annotations

import re
from typing import Any

import msgspec

TEXT_LIMIT = 32_767
SUMMARY_LIMIT = 255
LABEL_LIMIT = 255
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
RESOLUTIONS = ("Done", "Fixed", "Won't Do", "Duplicate", "Cannot Reproduce")
ISSUE_TYPES = ("Task", "Bug", "Story")
LINK_TYPES = ("Relates", "Blocks", "Duplicate")
PERMISSIONS = (
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "TRANSITION_ISSUES",
    "ADD_COMMENTS",
    "LINK_ISSUES",
    "DELETE_ISSUES",
)
NOT_SEEN = "Issue does not exist or you do not have permission to see it."
NOT_ON_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
TOO_LONG = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."


class Status(msgspec.Struct, frozen=True):
    """A status of the sandbox's workflow; every status can be reached from every other."""

    id: str
    name: str
    category: str
    """new, indeterminate or done."""


STATUSES = (
    Status("11", "To Do", "new"),
    Status("21", "In Progress", "indeterminate"),
    Status("31", "Done", "done"),
)


class RefusedByJira(Exception):
    """What Jira answers instead of doing it."""

    def __init__(self, status: int, *general: str, **fields: str) -> None:
        super().__init__(*general)
        self.status = status
        self.general = list(general)
        self.fields = fields


def mistakes(fields: dict[str, Any], screen: set[str]) -> dict[str, str]:
    """Return what is wrong with fields of a request, by field."""
    found = {n: NOT_ON_SCREEN.format(n) for n in fields if n not in screen | {"issuetype"}}
    checks = {"summary": _summary, "labels": _labels, "description": long_text, "priority": _priority}
    for name, check in {**checks, "issuetype": _issue_type}.items():
        if name in fields and (mistake := check(fields[name])):
            found.setdefault(name, mistake)
    return found


def _summary(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        return "You must specify a summary of the issue."
    if "\n" in value or "\r" in value:
        return "The summary is invalid because it contains newline characters."
    return "Summary can't exceed 255 characters." if _units(value) > SUMMARY_LIMIT else ""


def _labels(value: Any) -> str:
    for label in value:
        if re.search(r"\s", label):
            return f"The label '{label}' contains spaces which is invalid."
        if _units(label) > LABEL_LIMIT:
            return f"The label '{label}' exceeds the maximum length for a single label of 255 characters"
    return ""


def long_text(value: Any) -> str:
    """Return what is wrong with a text field, or an empty string."""
    if value is not None and not isinstance(value, str):
        return "Operation value must be a string"
    return TOO_LONG if value and _units(value) > TEXT_LIMIT else ""


def _priority(value: Any) -> str:
    return "" if named(PRIORITIES, value) else "The priority selected is invalid."


def _issue_type(value: Any) -> str:
    return "" if named(ISSUE_TYPES, value) else "The issue type selected is invalid."


def resolution(fields: dict[str, Any]) -> str:
    """Return the resolution that a transition to Done sets."""
    if "resolution" not in fields:
        return "Done"
    found = named(RESOLUTIONS, fields["resolution"])
    if not found:
        raise RefusedByJira(400, resolution="Resolution is invalid.")
    return found


def named(words: tuple[str, ...], value: Any) -> str:
    """Return the word that {"name": …} or {"id": …} means, or ""; ids count from 1."""
    if not isinstance(value, dict):
        return ""
    number = str(value.get("id", ""))
    by_id = words[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(words) else ""
    return next((w for w in words if w.casefold() == str(value.get("name", "")).casefold()), by_id)


def stored(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as they are kept: priority and issue type by name."""
    names = {"priority": PRIORITIES, "issuetype": ISSUE_TYPES}
    return {n: named(names[n], value) if n in names else value for n, value in fields.items()}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2
