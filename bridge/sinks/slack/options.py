"""What an operator sets for a Slack destination."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bridge.settings import Duration, Options, Secret

_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")


class SlackOptions(Options):
    """A channel with a bot token, or an incoming webhook."""

    token: Secret | None = Field(default=None, examples=["${SLACK_BOT_TOKEN}"])
    """Bot token (xoxb-…) of an installed app; scopes in config/slack-app-manifest.yaml."""
    channel: str = Field(default="", examples=["C0ONCALL"])
    """ID of the channel (C…, G… or D…): at the end of the channel's About tab."""
    webhook_url: Secret | None = None
    """Instead of token and channel: can't edit, can't reply in threads, may tell twice after an outage."""
    api_url: str = "https://slack.com/api/"
    settle: Duration = timedelta(seconds=15)
    """How long to wait after a call of unknown outcome before the channel's history is asked."""
    per_second: float = Field(default=1.0, ge=0)
    """Deliveries a second, over all workers: what Slack takes in a channel; 0: as fast as it can."""
    burst: int = Field(default=10, ge=1)
    """Deliveries that may go at once after a while of quiet."""
    reopen_broadcast: bool = True
    """Show in the channel, not only in the thread, that a resolved problem fires again."""
    buttons: bool = True
    """False: addresses as links in a line of text (no warning sign after a click, see docs/sinks/slack.md)."""

    @field_validator("channel")
    @classmethod
    def _is_an_id(cls, channel: str) -> str:
        if channel and not _CHANNEL.fullmatch(channel):
            raise ValueError(
                f'"{channel}" is not a channel ID: names break when a channel is renamed. In Slack, click the '
                "channel's name and copy the ID (C…) from the end of the About tab"
            )
        return channel

    @field_validator("api_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise ValueError(f'"{url}" is not an address: leave `api_url` out for slack.com, or write https://…/api/')
        return url

    @field_validator("webhook_url")
    @classmethod
    def _is_a_webhook(cls, url: Secret | None) -> Secret | None:
        value = url.get_secret_value() if url else "https://-"
        if not re.fullmatch(r"https?://[!-~]+", value):
            raise ValueError("not a webhook's address: copy it whole, it begins with https://hooks.slack.com/services/")
        return url

    @model_validator(mode="after")
    def _one_way(self) -> SlackOptions:
        token = self.token is not None and bool(self.token.get_secret_value().strip())
        if token == (self.webhook_url is not None):
            raise ValueError(
                "set exactly one of `token` (a bot token, xoxb-…) and `webhook_url`; an empty token counts as none"
            )
        if token and not self.channel:
            raise ValueError("`channel` is missing: with `token`, set the ID of the channel (C…)")
        if not token and self.channel:
            raise ValueError("`channel` has no effect with `webhook_url`, which belongs to one channel: take it out")
        return self
