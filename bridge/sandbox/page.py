"""The sandbox's page: the channel and the board as people would see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from importlib.resources import files
from typing import Any

from jinja2 import Environment, select_autoescape
from markupsafe import Markup

from bridge.sandbox.jira import JiraSandbox
from bridge.sandbox.jira.state import Issue
from bridge.sandbox.jira_html import wiki
from bridge.sandbox.slack import SlackSandbox
from bridge.sandbox.slack_html import message, mrkdwn
from bridge.sandbox.slack_workspace import SlackMessage
from bridge.sandbox.target import NAME, Target

_WEB = ("http://", "https://")
COLUMNS = ("To Do", "In Progress", "Done")
REFRESH = 3
"""Seconds after which the page looks again; it has no script."""

_CARD = """
{% macro card(issue, open) %}<details class="issue" id="{{ issue.key }}"{% if open %} open{% endif %}>
<summary><span class="key">{{ issue.key }} · {{ issue.type }} · {{ issue.priority }}</span><br>{{ issue.summary }}
<br>{% for label in issue.labels %}<span class="label">{{ label }}</span>{% endfor %}
{% if issue.comments and not open %}<span class="key">💬 {{ issue.comments | length }}</span>{% endif %}</summary>
{{ issue.description }}
{% if issue.links %}<h4>Links</h4>{% endif %}
{% for title, url in issue.links %}<div>↗ <a href="{{ url }}">{{ title }}</a></div>{% endfor %}
{% for comment in issue.comments %}
<div class="comment"><span>{{ comment.author }} · {{ comment.time }}</span>{{ comment.html }}</div>{% endfor %}
</details>{% endmacro %}
"""


class Page:
    """Renders both sandboxes; times are shown in one timezone."""

    def __init__(
        self, slack: SlackSandbox, jira: JiraSandbox, target: Target, sources: list[str], timezone: tzinfo
    ) -> None:
        self._slack, self._jira, self._target = slack, jira, target
        self._sources, self._timezone = sources, timezone
        environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
        text = (files("bridge.sandbox") / "page.html").read_text()
        self._template = environment.from_string(_CARD + text)

    def html(self, shown: str = "", refresh: int = REFRESH, view: str = "") -> str:
        """Return the page, with one issue opened if it is named; `view` is "slack" or "jira" for that half alone."""
        cards = [self._card(issue) for issue in self._jira.issues]
        return self._template.render(
            sources=self._sources,
            target={"name": NAME, "broken": self._target.broken},
            refresh=refresh,
            view=view,
            shown=shown,
            channels=[self._channel(c.id, c.name) for c in self._slack.workspace.channels.values()],
            columns={c: [card for card in cards[::-1] if card["status"] == c] for c in COLUMNS},
            issue_count=len(cards),
            open_issue=next((card for card in cards if card["key"] == shown), None),
        )

    def _channel(self, channel: str, name: str) -> dict[str, Any]:
        return {"name": name, "roots": [self._root(m) for m in self._slack.messages(channel)]}

    def _root(self, sent: SlackMessage) -> dict[str, Any]:
        return {
            "time": self._time(datetime.fromtimestamp(float(sent.ts), self._timezone)),
            "edited": sent.edits,
            "html": _html(sent),
            "replies": [
                {
                    "time": self._time(datetime.fromtimestamp(float(reply.ts), self._timezone)),
                    "broadcast": reply.broadcast,
                    "html": _html(reply),
                }
                for reply in sent.replies
            ],
        }

    def _card(self, issue: Issue) -> dict[str, Any]:
        fields = issue.fields
        return {
            "key": issue.key,
            "status": issue.status,
            "summary": fields.get("summary", ""),
            "type": fields.get("issuetype", ""),
            "priority": fields.get("priority", ""),
            "labels": fields.get("labels", []),
            "description": wiki(fields.get("description") or ""),
            "links": [(title, url) for title, url in map(_link, issue.remote_links) if url.startswith(_WEB)],
            "comments": [
                {"author": c.author, "time": self._time(c.created), "html": wiki(c.body)} for c in issue.comments
            ],
        }

    def _time(self, at: datetime) -> str:
        return f"{at.astimezone(self._timezone):%H:%M:%S}"


def _link(given: Mapping[str, Any]) -> tuple[str, str]:
    return str(given["object"]["title"]), str(given["object"]["url"])


def _html(sent: SlackMessage) -> Markup:
    content = {"text": sent.text, "blocks": sent.blocks, "attachments": sent.attachments}
    return Markup("<s>{}</s>").format(mrkdwn("deleted by a person")) if sent.deleted else message(content)
