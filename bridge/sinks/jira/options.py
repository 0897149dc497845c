"""What an operator sets for a Jira destination."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from bridge.domain.alert import Severity
from bridge.settings import Duration, Options, Secret, WebAddress
from bridge.sinks.jira import fields

Label = Annotated[str, Field(pattern=r"^\S+$", max_length=255)]
PROJECT = "^[A-Za-z][A-Za-z0-9_]*$"
DECLINED = ["Won't Fix", "Won't Do", "Duplicate", "Cannot Reproduce", "Declined"]
PRIORITIES: dict[Severity, str | None] = {
    Severity.CRITICAL: "Highest",
    Severity.ERROR: "High",
    Severity.WARNING: "Medium",
    Severity.INFO: "Low",
}
RESERVED = ("project", "issuetype", "summary", "description", "labels")


def _project(key: str) -> str:
    if not re.fullmatch(PROJECT, key):
        raise ValueError("write the project's key, such as OPS")
    return key


def _fields(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for name, content in value.items():
        if name in RESERVED:
            raise ValueError(f"{name} is set by the bridge itself; remove it from fields")
        fields.check(content)
    return value


class JiraOptions(Options):
    """A Jira site, a project in it, and what issues there look like."""

    url: WebAddress = Field(examples=["https://example.atlassian.net"])
    flavour: Literal["auto", "cloud", "datacenter"] = "auto"
    user: str | None = Field(default=None, examples=["bot@example.com"])
    """Cloud: the account's e-mail. Data Center with a personal access token: leave it out."""
    token: Secret = Field(examples=["${JIRA_API_TOKEN}"])
    browse_url: WebAddress | None = None
    """Where people open issues, if that is not `url` (an API gateway in front of Jira)."""
    project: Annotated[str, AfterValidator(_project)] = Field(json_schema_extra={"pattern": PROJECT})
    issue_type: str = Field("Bug", min_length=1)
    labels: list[Label] = Field(default=[], max_length=20)
    priority: Annotated[dict[Severity, str | None], BeforeValidator(lambda given: given or {})] = PRIORITIES
    """By severity; a severity that is not listed sets none; null or {} never sets any."""
    fields: Annotated[dict[str, JsonValue], AfterValidator(_fields)] = Field(default={})
    resolve: str = ""
    """Name or id of the transition that closes; by default the first to a status of category done."""
    reopen: str = ""
    resolution: str = ""
    wont_fix_resolutions: list[str] = DECLINED
    link_type: str = "Relates"
    """How a new issue is linked to the one before; "" for not at all."""
    settle: Duration = timedelta(seconds=90)
    """How long Jira's search may take until it shows a new issue."""
    per_second: float = Field(default=5.0, ge=0)
    """Deliveries a second, over all workers (each is a few calls); 0: as fast as it can."""
    burst: int = Field(default=20, ge=1)
    """Deliveries that may go at once after a while of quiet."""

    @model_validator(mode="after")
    def _reopenable(self) -> Self:
        """Refuse to close issues with a resolution that forbids to reopen them."""
        if self.resolution in self.wont_fix_resolutions:
            raise ValueError(f'resolution "{self.resolution}" is also in wont_fix_resolutions: take it out of one')
        return self

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if not self.user and (urlsplit(self.url).hostname or "").endswith(".atlassian.net"):
            raise ValueError("user is missing: on Jira Cloud a token belongs to an e-mail address; set user to it")
        return self
