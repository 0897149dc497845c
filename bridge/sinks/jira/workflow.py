"""Which transition of a Jira workflow closes or reopens an issue."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.ports import Rejected
from bridge.sinks.jira.options import JiraOptions
from bridge.sinks.jira.site import Issue, Named, StatusField


class Field(msgspec.Struct, frozen=True, rename="camel"):
    """A field on a transition's screen."""

    required: bool = False
    allowed_values: list[Named] = []


class Transition(msgspec.Struct, frozen=True):
    """A transition that Jira offers for an issue, to this account, now."""

    id: str
    name: str = ""
    to: StatusField = StatusField()
    fields: dict[str, Any] = {}


def choose(offered: object, options: JiraOptions, *, closing: bool) -> Transition:
    """Return the configured transition, else the first whose target status is of the right category.

    Done for closing; new, else indeterminate, for reopening. Raises Rejected when there is none.
    """
    transitions = msgspec.convert(offered, list[Transition])
    configured = options.resolve if closing else options.reopen
    for transition in transitions:
        if configured and Named(transition.id, transition.name).answers_to(configured):
            return transition
    for category in () if configured else ("done",) if closing else ("new", "indeterminate"):
        for transition in transitions:
            if transition.to.status_category.key == category:
                return transition
    raise Rejected(_none(transitions, configured, closing=closing))


def resolution_to_set(transition: Transition, options: JiraOptions) -> dict[str, object]:
    """Return the resolution field if the transition's screen takes one; Jira refuses it elsewhere.

    Without a configured name: the first allowed that does not mean "won't fix".
    """
    if "resolution" not in transition.fields:
        return {}
    allowed = msgspec.convert(transition.fields["resolution"], Field).allowed_values
    if options.resolution:
        return {"resolution": {"name": options.resolution}}
    declined = options.wont_fix_resolutions
    fit = [value for value in allowed if not any(value.answers_to(name) for name in declined)]
    return {"resolution": {"id": fit[0].id}} if fit else {}


def declined(issue: Issue, options: JiraOptions) -> bool:
    """Return True if people said that it will not be worked on: by its resolution or, without one, its status."""
    words = (issue.fields.resolution or Named(), Named(name=issue.fields.status.name))
    return any(word.answers_to(name) for word in words for name in options.wont_fix_resolutions)


def _none(transitions: list[Transition], configured: str, *, closing: bool) -> str:
    option, wanted = ("resolve", "to a status of category done") if closing else ("reopen", "out of done")
    names = ", ".join(f'"{t.name}"' for t in transitions) or "none"
    what = f'called "{configured}"' if configured else wanted
    return (
        f"the issue has no transition {what}; Jira offers this account: {names}. Set `{option}` to one of them, "
        "or grant the account Transition Issues"
    )
