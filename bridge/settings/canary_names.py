"""The names that a canary uses: of its source, and of its destinations."""

from __future__ import annotations

from bridge.settings.document import Document
from bridge.settings.problems import did_you_mean, listed
from bridge.settings.sections import Kinds, Settings


def check(document: Document, settings: Settings, kinds: Kinds) -> None:
    """Add what is wrong with them to the document."""
    canary = settings.general.canary
    if canary is None:
        return
    if "canary" in settings.sources:
        what = '"canary" is the name of the canary\'s own source: give this one another name'
        document.fail(("sources", "canary"), what, key=True)
    data = document.data if isinstance(document.data, dict) else {}
    known = list(data.get("destinations") or ())
    for index, name in enumerate(canary.to):
        one = settings.destinations.get(name)
        if name not in known:
            hint = did_you_mean(name, known) or f" There are: {listed(known)}"
            document.fail(("canary", "to", index), f'there is no destination "{name}".{hint}')
        elif one is not None and not kinds.takes_back(one.kind, one.options):
            what = "can't take back what it was told, so each canary would stay: name a Slack channel with a token"
            document.fail(("canary", "to", index), f'"{name}" {what}')
