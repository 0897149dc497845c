"""Jira, Cloud and Data Center: one issue per incident, its history in comments."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from bridge.ports import Delivery, Finding, House, Pace, Receipt
from bridge.settings import Options
from bridge.sinks.jira.options import JiraOptions

if TYPE_CHECKING:
    from bridge.sinks.jira.project import Project

__all__ = ["Jira", "JiraOptions"]


class Jira:
    """One project on one Jira site.

    An issue is created once, closed and reopened with its incident, and gets one comment per change worth telling.
    Fields that people may edit are written at creation and never again, but for a priority nobody touched.
    Its receipts' handle is (key, id): the id stays when people move the issue.
    """

    Options: ClassVar[type[Options]] = JiraOptions
    tells_repeats = False

    def __init__(self, name: str, options: JiraOptions, house: House) -> None:
        self.name = name
        self.settle = options.settle
        self.pace = Pace(options.per_second, options.burst)
        self._options = options
        self._house = house

    @cached_property
    def _project(self) -> Project:
        from bridge.sinks.jira.project import Project  # here: receivers know the destination, and never call it

        return Project(self._options, self._house)

    def prepare(self) -> None:
        """Load what speaks to Jira; see `ports.Prepares`."""
        _ = self._project

    def sync(self, delivery: Delivery) -> Receipt:
        """Create the issue, or bring it up to date; the outcome carries what was achieved before it stopped."""
        return self._project.sync(delivery)

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return the issue of this incident: by its id if that is known, else by its label.

        The receipt's version is 0: what was told is read from marks in the description and the comments, but
        whether the status fits is for the next sync to see. A moved or re-created issue is found in any project.
        """
        return self._project.find(delivery)

    def examine(self) -> Iterable[Finding]:
        """Check address, account, project, issue type, permissions, required fields and clock; raises nothing."""
        return self._project.examine()
