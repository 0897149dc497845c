"""What `doctor` looks at in Slack."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping

from bridge.ports import Finding, Level, Outcome
from bridge.sinks.slack.api import Api, Refused

_SCOPES_DO = "add it under OAuth & Permissions (or paste config/slack-app-manifest.yaml), then reinstall the app"
_INVITE = "in the channel, type /invite @alert-bridge"


def examine(api: Api, channel: str) -> Iterator[Finding]:
    """Yield what was found: token, scopes, channel; raises nothing."""
    try:
        yield from _examine(api, channel)
    except Refused as refused:
        yield Finding(Level.FAIL, refused.detail, "do what it says, then run doctor again")
    except Outcome as outcome:
        yield Finding(Level.FAIL, outcome.reason, "check the token, the network and https://slack-status.com")


def of_webhook() -> Finding:
    """Return what there is to say of an incoming webhook."""
    return Finding(
        Level.WARN,
        "incoming webhook: it can't be checked without posting; messages are not edited, there are no threads, and "
        "after an interrupted call one may stand there twice",
        "set `token` and `channel` instead of `webhook_url` (docs/sinks/slack.md)",
    )


def _examine(api: Api, channel: str) -> Iterator[Finding]:
    answer = api.read("auth.test")
    yield Finding(Level.OK, f"the token is of {answer.get('user')} in {answer.get('team')}")
    if not answer.get("bot_id"):
        yield Finding(Level.WARN, "the token is a person's, not a bot's", "set the app's bot token (xoxb-…)")
    scopes = _scopes(answer.headers)
    if "chat:write" not in scopes:
        yield Finding(Level.FAIL, "the scope chat:write is missing: nothing can be posted", _SCOPES_DO)
    private = yield from _channel(api, channel)
    yield from _history(scopes, channel, private=private)


def _scopes(headers: Mapping[str, str]) -> set[str]:
    value = next((v for k, v in headers.items() if k.lower() == "x-oauth-scopes"), "")
    return {scope.strip() for scope in value.split(",") if scope.strip()}


def _channel(api: Api, channel: str) -> Generator[Finding, None, bool | None]:
    """Yield what the channel is like; returns whether it is private (None: not known)."""
    try:
        about = api.read("conversations.info", channel=channel)["channel"]
    except Refused as refused:
        if refused.code != "missing_scope":
            yield Finding(Level.FAIL, f"channel {channel}: {refused.detail}", _INVITE)
            return None
        do = "add the scopes channels:read and groups:read to have the channel checked"
        yield Finding(Level.WARN, f"channel {channel} can't be looked at: {refused.detail}", do)
        return None
    name = f"channel {channel} (#{about.get('name', '')})"
    if about.get("is_archived"):
        yield Finding(Level.FAIL, f"{name} is archived", "unarchive it, or set another channel")
    elif not about.get("is_member") and not about.get("is_im"):
        yield Finding(Level.FAIL, f"the app is not in {name}", _INVITE)
    else:
        yield Finding(Level.OK, f"{name} can be posted to")
    return bool(about.get("is_private"))


def _history(scopes: set[str], channel: str, *, private: bool | None) -> Iterator[Finding]:
    if channel.startswith("D"):
        wanted = {"im:history"}
    elif private is None:
        wanted = {"channels:history", "groups:history"}
    else:
        wanted = {"groups:history"} if private else {"channels:history"}
    missing = ", ".join(sorted(wanted - scopes))
    if not missing:
        yield Finding(Level.OK, "the channel's history can be read: nothing is told twice")
        return
    what = f"the scope {missing} is missing: after an interrupted call a message may stand there twice"
    yield Finding(Level.WARN, what, _SCOPES_DO)
