"""Slack: one message per incident, edited as it changes, its history in the thread."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from bridge.ports import Delivery, Finding, House, Pace, Receipt
from bridge.settings import Options
from bridge.sinks.slack.options import SlackOptions

if TYPE_CHECKING:
    from bridge.sinks.slack.channel import Channel
    from bridge.sinks.slack.webhook import Announcements

__all__ = ["Slack"]


class Slack:
    """A Slack channel, through a bot token or (with much less) an incoming webhook.

    docs/sinks/slack.md says what each can do. A call waits at most 8 s; one sync ends within 20 s.
    """

    Options: ClassVar[type[Options]] = SlackOptions
    settle: timedelta
    tells_repeats: bool

    def __init__(self, name: str, options: SlackOptions, house: House) -> None:
        self.name = name
        self.settle = options.settle
        self.pace = Pace(options.per_second, options.burst)
        self.tells_repeats = options.token is not None
        self._options = options
        self._house = house

    @cached_property
    def _way(self) -> Channel | Announcements:
        # Imported here: receivers know the destination, and never call it.
        from bridge.sinks.slack.api import Api, Webhook
        from bridge.sinks.slack.channel import Channel
        from bridge.sinks.slack.webhook import Announcements

        options = self._options
        if options.token is not None:
            api = Api(options.token.get_secret_value().strip(), options.api_url)
            return Channel(self.name, options, self._house, api)
        url = options.webhook_url.get_secret_value() if options.webhook_url else ""
        return Announcements(Webhook(url), self._house, buttons=options.buttons)

    def prepare(self) -> None:
        """Load Slack's SDK; see `ports.Prepares`."""
        _ = self._way

    def sync(self, delivery: Delivery) -> Receipt:
        """Bring the channel up to date; see `ports.Sink.sync`."""
        return self._way.sync(delivery)

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return what an interrupted sync left in the channel; always None for a webhook, which can't look."""
        return self._way.find(delivery)

    def take_back(self, delivery: Delivery, receipt: Receipt) -> Receipt:
        """Delete the message; see `ports.TakesBack.take_back`. A webhook can't: `takes_back` says so of its options."""
        return self._way.take_back(delivery, receipt)

    @staticmethod
    def takes_back(options: SlackOptions) -> bool:
        """Return whether messages can be taken back: with a token they can."""
        return options.token is not None

    def examine(self) -> Iterable[Finding]:
        """Check token, scopes and channel."""
        return self._way.examine()
