"""What a Jira issue is connected with: its source, the other destinations, the issue before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import msgspec

from bridge.domain.alert import Link
from bridge.domain.words import clip
from bridge.ports import Delivery
from bridge.sinks.address import web_link
from bridge.sinks.jira.options import JiraOptions
from bridge.sinks.jira.text import plain

GLOBAL_ID_LIMIT = 255
TITLE_LIMIT = 200


class RemoteLink(msgspec.Struct, frozen=True):
    """A link from an issue to a page elsewhere; the same `global_id` is updated, not added again."""

    global_id: str
    link: Link

    @property
    def memo(self) -> str:
        """What the receipt remembers of it: another address is another memo."""
        return f"link={_digest(self.global_id, self.link.url)}"

    def request(self, issue_id: str) -> tuple[str, Mapping[str, object]]:
        """Return path and body of the call."""
        title = clip(plain(self.link.label), TITLE_LIMIT) or self.link.url[:TITLE_LIMIT]
        return f"issue/{issue_id}/remotelink", {
            "globalId": self.global_id,
            "application": {"type": "alert-bridge", "name": "Alert bridge"},
            "relationship": "alert",
            "object": {"url": self.link.url, "title": title},
        }


class Related(msgspec.Struct, frozen=True):
    """A link to the issue of the incident before. Jira keeps one link of a type between two issues."""

    previous_id: str
    link_type: str

    @property
    def memo(self) -> str:
        """What the receipt remembers of it."""
        return f"related={self.previous_id}"

    def request(self, issue_id: str) -> tuple[str, Mapping[str, object]]:
        """Return path and body of the call."""
        return "issueLink", {
            "type": {"name": self.link_type},
            "inwardIssue": {"id": self.previous_id},
            "outwardIssue": {"id": issue_id},
        }


def connections(delivery: Delivery, options: JiraOptions) -> Iterator[RemoteLink | Related]:
    """Yield all that the issue should be connected with."""
    incident = delivery.incident
    source = Link(f"{incident.source}: {incident.title}", incident.url)
    for name, link in (("source", source), *((peer.label, peer) for peer in delivery.peers)):
        if address := web_link(link.url):
            yield RemoteLink(f"alert-bridge:{incident.id}:{plain(name)}"[:GLOBAL_ID_LIMIT], Link(link.label, address))
    previous = delivery.previous
    if previous is not None and previous.handle and options.link_type:
        yield Related(previous.handle[-1], options.link_type)


def _digest(*parts: str) -> str:
    return hashlib.blake2b(" ".join(parts).encode(), digest_size=6).hexdigest()
