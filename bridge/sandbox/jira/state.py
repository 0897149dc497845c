"""A Jira site in memory: its issues and its workflow."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bridge.sandbox.jira.rules import (
    NOT_ON_SCREEN,
    NOT_SEEN,
    PERMISSIONS,
    STATUSES,
    RefusedByJira,
    long_text,
    mistakes,
    resolution,
    stored,
)

_CLAUSE = re.compile(r'\s*(project|labels)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')


class Comment(msgspec.Struct):
    """A comment of an issue."""

    id: str
    author: str
    body: str
    created: datetime
    properties: list[dict[str, Any]] = []


class Issue(msgspec.Struct):
    """An issue with all that hangs on it."""

    id: str
    key: str
    reporter: str
    created: datetime
    fields: dict[str, Any]
    """summary, description, labels, priority (a name), issuetype (a name) and custom fields."""
    status: str = "To Do"
    resolution: str = ""
    comments: list[Comment] = []
    remote_links: list[dict[str, Any]] = []
    links: list[tuple[str, str]] = []
    """(type, id of the other issue)."""
    former_keys: list[str] = []
    properties: list[dict[str, Any]] = []
    writes: int = 0
    """How often anything about it was changed."""

    @property
    def project(self) -> str:
        """The project it is in now."""
        return self.key.rpartition("-")[0]


class Held(msgspec.Struct):
    """What survives a restart."""

    issues: list[Issue] = []
    last_id: int = 10_000
    numbers: dict[str, int] = {}


class JiraState:
    """The site. Safe to use from several threads."""

    def __init__(self, projects: tuple[str, ...], clock: Callable[[], datetime], *, cloud: bool) -> None:
        self.projects = projects
        self.cloud = cloud
        """Which of the two products this is."""
        self.clock = clock
        self.lock = threading.RLock()
        self.held = Held()
        self.screen = {"summary", "description", "labels", "priority", "components", "environment", "duedate"}
        """Fields that can be set, beside project and issuetype."""
        self.required: dict[str, str] = {"summary": "Summary"}
        """Fields that must be set, with the names that people see."""
        self.permissions = set(PERMISSIONS)
        self.resolution_screen = True
        """Whether the transition to Done shows the field Resolution; without it Done is set."""
        self.transitions = {status.name for status in STATUSES}
        """Statuses that the workflow lets this account reach."""
        self.comment_limit = 5000

    # --- reading ---------------------------------------------------------------------------------------------

    def issue(self, key_or_id: str) -> Issue:
        """Return an issue by its id, its key or a key it had before it was moved."""
        for issue in self.held.issues:
            if key_or_id in (issue.id, issue.key, *issue.former_keys):
                self.need("BROWSE_PROJECTS", RefusedByJira(404, NOT_SEEN))
                return issue
        raise RefusedByJira(404, NOT_SEEN)

    def search(self, jql: str, lag: timedelta) -> list[Issue]:
        """Return what a query finds, oldest first; issues younger than `lag` are not in the index yet."""
        wanted = _parse(jql)
        until = self.clock() - lag
        if "BROWSE_PROJECTS" not in self.permissions:
            return []
        return [i for i in self.held.issues if i.created <= until and all(_fits(i, *clause) for clause in wanted)]

    def need(self, permission: str, refusal: RefusedByJira) -> None:
        """Raise the refusal unless the permission is granted."""
        if permission not in self.permissions:
            raise refusal

    def project(self, key: str) -> str:
        """Return the key of a project that is there and may be seen."""
        if key not in self.projects or "BROWSE_PROJECTS" not in self.permissions:
            raise RefusedByJira(404, f"No project could be found with key '{key}'.")
        return key

    # --- changing --------------------------------------------------------------------------------------------

    def create(self, fields: dict[str, Any], author: str, properties: list[dict[str, Any]] | None = None) -> Issue:
        """Create an issue from the fields of a request."""
        self.need("CREATE_ISSUES", RefusedByJira(400, "You do not have permission to create issues in this project."))
        project = str((fields.get("project") or {}).get("key", ""))
        errors = {} if project in self.projects else {"project": "valid project is required"}
        given = {name: value for name, value in fields.items() if name != "project"}
        errors |= mistakes(given, self.screen)
        errors |= {n: f"{shown} is required." for n, shown in self.required.items() if not given.get(n)}
        if "summary" in errors and not given.get("summary"):
            errors["summary"] = "You must specify a summary of the issue."
        if errors:
            raise RefusedByJira(400, **errors)
        self.held.last_id += 1
        shown = {"priority": "Medium", "labels": [], "description": None, **stored(given)}
        issue = Issue(str(self.held.last_id), self._next_key(project), author, self.clock(), shown)
        issue.properties = properties or []
        self.held.issues.append(issue)
        return issue

    def edit(self, key: str, fields: dict[str, Any]) -> Issue:
        """Change fields of an issue, as the edit screen or a PUT does."""
        self.need("EDIT_ISSUES", RefusedByJira(403, "You do not have permission to edit issues in this project."))
        issue = self.issue(key)
        if errors := mistakes(fields, self.screen):
            raise RefusedByJira(400, **errors)
        issue.fields |= stored(fields)
        issue.writes += 1
        return issue

    def comment(self, key: str, body: str, author: str, properties: list[dict[str, Any]] | None = None) -> Comment:
        """Add a comment."""
        self.need("ADD_COMMENTS", RefusedByJira(403, "You do not have the permission to comment on this issue."))
        issue = self.issue(key)
        if not body.strip():
            raise RefusedByJira(400, comment="Comment body can not be empty!")
        if mistake := long_text(body):
            raise RefusedByJira(400, comment=mistake)
        if len(issue.comments) >= self.comment_limit:
            raise RefusedByJira(413, "The comment limit of this issue is reached.")
        comment = Comment(f"{issue.id}{len(issue.comments):04}", author, body, self.clock(), properties or [])
        issue.comments.append(comment)
        issue.writes += 1
        return comment

    def transition(self, key: str, transition_id: str, fields: dict[str, Any]) -> Issue:
        """Move an issue to another status; leaving Done clears the resolution."""
        issue = self.issue(key)
        offered = {s.id: s for s in STATUSES if s.name in self.transitions and self.may_move}
        if transition_id not in offered:
            raise RefusedByJira(400, f"It seems that you have tried to perform an illegal workflow operation ({key}).")
        target = offered[transition_id]
        if fields and not (target.category == "done" and self.resolution_screen and set(fields) == {"resolution"}):
            name = next(iter(fields))
            raise RefusedByJira(400, **{name: NOT_ON_SCREEN.format(name)})
        issue.resolution = resolution(fields) if target.category == "done" else ""
        issue.status = target.name
        issue.writes += 1
        return issue

    @property
    def may_move(self) -> bool:
        """True when the account may transition issues; Jira offers none otherwise."""
        return "TRANSITION_ISSUES" in self.permissions

    def close(self, key: str, how: str = "Done") -> None:
        """Close an issue with a resolution, as people do."""
        issue = self.issue(key)
        issue.status, issue.resolution = "Done", how

    def move(self, key: str, project: str) -> Issue:
        """Move an issue to another project: it gets a new key, the old one still leads to it."""
        issue = self.issue(key)
        issue.former_keys.append(issue.key)
        issue.key = self._next_key(project)
        return issue

    def delete(self, key: str) -> None:
        """Delete an issue."""
        self.held.issues.remove(self.issue(key))

    def _next_key(self, project: str) -> str:
        number = self.held.numbers.get(project, 0) + 1
        self.held.numbers[project] = number
        return f"{project}-{number}"


def _parse(jql: str) -> list[tuple[str, str]]:
    """Return the clauses of `field = "value" AND … ORDER BY created ASC`, the only JQL the sandbox knows."""
    text = re.sub(r"\s+ORDER BY created ASC\s*$", "", jql, flags=re.IGNORECASE)
    clauses, at = [], 0
    while match := _CLAUSE.match(text, at):
        clauses.append((match[1], re.sub(r"\\(.)", r"\1", match[2])))
        at = match.end()
        if text[at : at + 4].upper() == "AND ":
            at += 4
    if not clauses or at != len(text):
        raise RefusedByJira(400, f"Error in the JQL Query: Expecting a field name and a quoted value: {jql[at:]}")
    return clauses


def _fits(issue: Issue, field: str, value: str) -> bool:
    return issue.project == value if field == "project" else value in issue.fields["labels"]


def utc_now() -> datetime:
    """Return the time; the clock of a sandbox that people try."""
    return datetime.now(UTC)
