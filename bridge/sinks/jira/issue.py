"""One issue brought up to date with one incident: the steps of a single sync."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import msgspec
from jira import JIRA

from bridge.domain.alert import Link
from bridge.domain.incident import Change
from bridge.ports import Delivery, House, Receipt, Rejected, RetryAt
from bridge.sinks.jira import text
from bridge.sinks.jira.connections import connections
from bridge.sinks.jira.fields import render
from bridge.sinks.jira.options import JiraOptions
from bridge.sinks.jira.site import Issue, Named, Refusal, Site, by_id_or_name
from bridge.sinks.jira.workflow import choose, declined, resolution_to_set

BUDGET = 8.0
"""Seconds after which no further call is begun: with its time-outs a sync still ends within 20 s."""
READ = "status,resolution,priority,description"
_REQUIRED = frozenset({"project", "issuetype", "summary"})


class Update:
    """The way from a receipt to the next; `receipt` is true after every step, also when one fails."""

    def __init__(self, site: Site, options: JiraOptions, house: House, delivery: Delivery) -> None:
        self.site = site
        self.options = options
        self.house = house
        self.delivery = delivery
        self.incident = delivery.incident
        known = delivery.receipt
        self.receipt = known if known is not None and known.handle else None
        self._latest = time.monotonic() + BUDGET

    # --- looking ---------------------------------------------------------------------------------------------

    def read(self, issue_id: str) -> Issue | None:
        """Return the issue as it stands, under whatever key it has now; None when it is not to be seen."""
        try:
            with self._asking("reading the issue", idempotent=True) as client:
                return msgspec.convert(client.issue(issue_id, fields=READ).raw, Issue)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def search(self, *, cloud: bool) -> Issue | None:
        """Return the oldest issue with this incident's label, in whatever project it is now."""
        label = text.label_of(self.incident)
        jql = f'labels = "{label}" ORDER BY created ASC'
        path = "search/jql" if cloud else "search"
        with self._asking("searching for the issue", idempotent=True) as client:
            response = client._session.get(
                client._get_url(path), params={"jql": jql, "fields": READ, "maxResults": "5"}
            )
            found = msgspec.convert(response.json()["issues"], list[Issue])
        return found[0] if found else None

    def told(self, issue: Issue) -> int:
        """Return the newest version that the issue's description and newest comments tell of; 0 if unknown."""
        with self._asking("reading the comments", idempotent=True) as client:
            comments = client.comments(issue.id, max_results=100, order_by="-created")
            texts = [str(comment.raw.get("body", "")) for comment in comments]
        return text.told([issue.fields.description or "", *texts])

    # --- doing -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Open the issue, and close it at once if the problem is over already."""
        fields = self._fields()
        try:
            issue = self._create(fields)
        except Refusal as refusal:
            fields = _without(fields, refusal, text.label_of(self.incident))
            issue = self._create(fields)
        now = self.incident.version
        memo = (f"priority={self._priority()}",) if "priority" in fields else ()
        self.receipt = Receipt(handle=(issue.key, issue.id), version=0, told=now, link=self.link(issue), memo=memo)
        if not self.incident.open:
            self._move(issue, self.receipt, closing=True)
        self._keep(version=now, told=now, open=self.incident.open)

    def catch_up(self, issue: Issue, receipt: Receipt) -> None:
        """Tell what is untold, close or reopen, raise or lower the priority; leave alone what people declined."""
        memo = receipt.memo if receipt.handle[-1] == issue.id else self.priority_memo(issue)
        receipt = self._keep(handle=(issue.key, issue.id), link=self.link(issue), memo=memo)
        untold = {entry.change for entry in self.incident.untold(receipt.told)}
        done = issue.done
        if not (done and declined(issue, self.options)):
            self._intend_priority(issue)
            if done and self.incident.open and (not receipt.open or Change.REOPENED in untold):
                self._move(issue, receipt, closing=False)
                done = False
                receipt = self._keep(open=True)
            self._comment(issue, receipt)
            if not done and not self.incident.open and (receipt.open or Change.RESOLVED in untold):
                self._move(issue, receipt, closing=True)
            self._set_priority(issue)
        now = self.incident.version
        self._keep(version=now, told=now, open=self.incident.open and (receipt.open or not done))

    def up_to_date(self, receipt: Receipt) -> bool:
        """Return True when nothing about the incident needs to be shown; version 0 means: not known."""
        if receipt.version == self.incident.version:
            return True
        same = receipt.open == self.incident.open and self._remembered("priority") in (None, "", self._priority())
        return receipt.version > 0 and same and not self.incident.untold(receipt.told)

    def connect(self) -> None:
        """Point from the issue to the source, the other destinations and the issue before; once each.

        What Jira refuses is let go; what fails in passing is tried again with the next sync.
        """
        for connection in connections(self.delivery, self.options):
            receipt = self.receipt
            if receipt is None or connection.memo in receipt.memo:
                continue
            try:
                self._send("linking the issue", "POST", *connection.request(receipt.handle[-1]))
            except Refusal:
                pass
            except RetryAt as problem:
                if problem.blocked:
                    raise
                continue
            self._keep(memo=(*receipt.memo, connection.memo))

    def link(self, issue: Issue) -> Link:
        """Return how other destinations point to this issue."""
        return Link(f"Jira {issue.key}", f"{self.options.browse_url or self.options.url}/browse/{issue.key}")

    def priority_memo(self, issue: Issue) -> tuple[str, ...]:
        """Return the memo of an issue whose receipt was lost: a priority that is in the config was set here."""
        now = issue.fields.priority or Named()
        return tuple(f"priority={name}" for name in self.options.priority.values() if name and now.answers_to(name))[:1]

    def left_open(self, issue: Issue, known: Receipt) -> bool:
        """Return whether the issue is open for this incident, as far as an interrupted sync may have reopened it."""
        reopened = any(entry.change is Change.REOPENED for entry in self.incident.untold(known.told))
        return known.open or (reopened and not issue.done)

    def left_memo(self, issue: Issue, known: Receipt) -> tuple[str, ...]:
        """Return the memo with the priority that an interrupted sync may have set, or the next one is going to."""
        changed = {entry.change for entry in self.incident.untold(known.told)} & {Change.WORSENED, Change.EASED}
        owned = any(m.startswith("priority=") and m != "priority=" for m in known.memo)
        if not changed or not owned or not self._priority():
            return known.memo
        left = [m.partition("=")[2] for m in self.priority_memo(issue) if m not in known.memo]
        kept = (m for m in known.memo if not m.startswith("trying="))
        return (*kept, f"trying={(left or [self._priority()])[0]}")

    # --- steps -----------------------------------------------------------------------------------------------

    def _create(self, fields: dict[str, object]) -> Issue:
        with self._asking("creating the issue", idempotent=False) as client:
            return msgspec.convert(client.create_issue(fields=fields, prefetch=False).raw, Issue)

    def _fields(self) -> dict[str, object]:
        try:
            extra = {name: render(value, self.incident) for name, value in self.options.fields.items()}
        except ValueError as error:
            raise Rejected(f"creating the issue: {error}; correct `fields` of this destination") from None
        priority = self._priority()
        own: dict[str, object] = {
            "project": {"key": self.options.project},
            "issuetype": by_id_or_name(self.options.issue_type),
            "summary": text.summary(self.incident),
            "description": text.description(self.delivery, self.house),
            "labels": [*self.options.labels, text.label_of(self.incident)],
        }
        return {**({"priority": by_id_or_name(priority)} if priority else {}), **extra, **own}

    def _comment(self, issue: Issue, receipt: Receipt) -> None:
        for entry in self.incident.untold(receipt.told):
            try:
                with self._asking("commenting", idempotent=False) as client:
                    client.add_comment(issue.id, text.comment(entry, self.house))
            except Refusal as refusal:
                if refusal.status != 413:  # the issue holds as many comments as Jira allows: go on without
                    raise
            self._keep(told=entry.version)

    def _move(self, issue: Issue, receipt: Receipt, *, closing: bool) -> None:
        doing = "closing the issue" if closing else "reopening the issue"
        with self._asking(doing, idempotent=True) as client:
            offered = client.transitions(issue.id, expand="transitions.fields")
            transition = choose(offered, self.options, closing=closing)
            fields = resolution_to_set(transition, self.options) if closing else {}
        with self._asking(doing, idempotent=False) as client:
            client.transition_issue(issue.id, transition.id, fields=fields)

    def _intend_priority(self, issue: Issue) -> None:
        """Note which priority is to be set, as long as the present one was set here; before anything is told.

        From then on no receipt of a sync that stops midway lets the bridge's own priority look like a person's choice.
        """
        wanted, now = self._priority(), issue.fields.priority or Named()
        tried = self._remembered("trying")
        if tried and now.answers_to(tried):
            self._remember("priority", tried)
        known = self._remembered("priority")
        ours = bool(known) and now.answers_to(known or "")
        self._remember("trying", wanted if ours and wanted != known else "")

    def _set_priority(self, issue: Issue) -> None:
        """Follow the severity, if that is intended."""
        wanted = self._remembered("trying")
        if not wanted:
            return
        try:
            body = {"fields": {"priority": by_id_or_name(wanted)}}
            self._send("setting the priority", "PUT", f"issue/{issue.id}", body)
        except Refusal:
            wanted = ""
        self._remember("priority", wanted)
        self._remember("trying", "")

    # --- the receipt and the calls -----------------------------------------------------------------------------

    def _keep(self, **changes: object) -> Receipt:
        assert self.receipt is not None  # noqa: S101 - every step follows create or a known receipt
        self.receipt = msgspec.structs.replace(self.receipt, **changes)
        return self.receipt

    def _remembered(self, name: str) -> str | None:
        memo = self.receipt.memo if self.receipt else ()
        return next((m.partition("=")[2] for m in memo if m.startswith(f"{name}=")), None)

    def _remember(self, name: str, value: str) -> None:
        memo = self.receipt.memo if self.receipt else ()
        kept = tuple(m for m in memo if not m.startswith(f"{name}="))
        self._keep(memo=(*kept, f"{name}={value}") if value or name == "priority" else kept)

    def _priority(self) -> str:
        return self.options.priority.get(self.incident.severity) or ""

    def _send(self, doing: str, method: str, path: str, body: Mapping[str, object]) -> None:
        self._in_time(doing)
        self.site.send(doing, method, path, body)

    @contextmanager
    def _asking(self, doing: str, *, idempotent: bool) -> Iterator[JIRA]:
        self._in_time(doing)
        with self.site.asking(doing, idempotent=idempotent) as client:
            yield client

    def _in_time(self, doing: str) -> None:
        if time.monotonic() > self._latest:
            raise RetryAt(f"{doing}: Jira is slow, the rest follows", after=timedelta(seconds=1))


def _without(fields: dict[str, object], refusal: Refusal, label: str) -> dict[str, object]:
    """Return the fields without the optional ones that Jira refused, never without the label; else raise."""
    named = set(refusal.fields)
    only_optional = named and named <= set(fields) - _REQUIRED and not refusal.general and refusal.status == 400
    kept: dict[str, object] = {name: value for name, value in fields.items() if name not in named}
    if "labels" in named:
        kept["labels"] = [label]
    if not only_optional or kept == fields:
        raise refusal
    return kept
