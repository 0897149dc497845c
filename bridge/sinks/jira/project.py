"""One project on one Jira site: its issues, made and kept up to date."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bridge.ports import Delivery, Finding, House, Outcome, Receipt, Rejected, RetryAt
from bridge.sinks.jira import checks
from bridge.sinks.jira.issue import Update
from bridge.sinks.jira.options import JiraOptions
from bridge.sinks.jira.site import Issue, Refusal, Site
from bridge.sinks.outcome import AUTH_RETRY


class Project:
    """What `Jira` does, with all that it takes to speak to Jira. Called from several threads."""

    def __init__(self, options: JiraOptions, house: House) -> None:
        self._options = options
        self._house = house
        self._site = Site(options.url, options.user, options.token.get_secret_value())
        self._flavour = {"cloud": True, "datacenter": False}.get(options.flavour)

    def sync(self, delivery: Delivery) -> Receipt:
        """Create the issue, or bring it up to date; the outcome carries what was achieved before it stopped."""
        update = self._update(delivery)
        try:
            return self._sync(update)
        except Outcome as stopped:
            stopped.receipt = update.receipt
            raise

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return the issue of this incident: by its id if that is known, else by its label."""
        try:
            return self._find(self._update(delivery))
        except Refusal as refusal:
            raise RetryAt(refusal.reason, after=AUTH_RETRY, blocked=True) from None

    def examine(self) -> Iterable[Finding]:
        """Check address, account, project, issue type, permissions, required fields and clock; raises nothing."""
        return checks.examine(self._site, self._options)

    def _update(self, delivery: Delivery) -> Update:
        return Update(self._site, self._options, self._house, delivery)

    def _sync(self, update: Update) -> Receipt:
        known, incident = update.receipt, update.incident
        if known is None and not incident.count:
            return Receipt(handle=(), version=incident.version, told=incident.version, open=False)
        if known is None:
            update.create()
        elif not update.up_to_date(known):
            issue = update.read(known.handle[-1]) or self._found_again(update)
            if issue is not None:
                update.catch_up(issue, known)
            elif incident.open:
                update.create()
            else:
                return msgspec.structs.replace(known, version=incident.version, told=incident.version, open=False)
        update.connect()
        receipt = update.receipt or known
        assert receipt is not None  # noqa: S101 - created or known by now
        return msgspec.structs.replace(receipt, version=incident.version, told=incident.version)

    def _find(self, update: Update) -> Receipt | None:
        known = update.receipt
        issue = update.read(known.handle[-1]) if known else None
        issue = issue or update.search(cloud=self._is_cloud())
        if issue is None:
            return None
        told = update.told(issue)
        same = known is not None and known.handle[-1] == issue.id
        if known is not None and same:
            told = max(told, known.told)
        marked = min(told, update.incident.version) or update.incident.version
        return Receipt(
            handle=(issue.key, issue.id),
            version=0,
            told=marked,
            open=update.left_open(issue, known) if known is not None and same else not issue.done,
            link=update.link(issue),
            memo=update.left_memo(issue, known) if known is not None and same else update.priority_memo(issue),
        )

    def _found_again(self, update: Update) -> Issue | None:
        """Return the issue that now bears the label of one that is gone; None when it was deleted.

        Jira answers 404 also to an account that may not look. Then nothing may be created, or there would be two.
        """
        found = update.search(cloud=self._is_cloud())
        if found is None and not checks.may_browse(self._site, self._options):
            reason = "the issue is not to be seen: grant the account Browse Projects, or renew its token"
            raise RetryAt(reason, after=AUTH_RETRY, blocked=True)
        return found

    def _is_cloud(self) -> bool:
        if self._flavour is None:
            info = self._site.get("asking which Jira this is", "serverInfo")
            if not isinstance(info, dict) or "deploymentType" not in info:
                raise Rejected("serverInfo names no deploymentType: set flavour to cloud or datacenter")
            self._flavour = info["deploymentType"] == "Cloud"
        return self._flavour
