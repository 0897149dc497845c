"""Slack's error words, by what they mean for a delivery.

https://docs.slack.dev/reference/methods/chat.postMessage#errors and those of the other methods used here.
"""

from __future__ import annotations

LIMITED = frozenset({"ratelimited", "rate_limited"})
"""Too many calls."""
IN_DOUBT = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "update_failed",
        "duplicate_message",
        "duplicate_message_not_found",
        "duplicate_channel_not_found",
    }
)
"""Part of it may have been done."""
LATER = frozenset({"team_added_to_org", "org_login_required", "external_channel_migrating", "message_limit_exceeded"})
"""A migration of the workspace or a limit of its plan: waiting helps."""
AUTH = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "accesslimited",
        "two_factor_setup_required",
        "enterprise_is_restricted",
        "app_access_restricted",
        "ekm_access_denied",
        "is_bot",
    }
)
"""The token."""
THREADLESS = frozenset(
    {
        "cannot_reply_to_message",
        "thread_not_found",
        "restricted_action_thread_locked",
        "restricted_action_non_threadable_channel",
        "message_not_found",
    }
)
"""This thread takes no replies: the root message alone has to do."""
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""The message can't be edited any more: a new one is posted."""
UNSEEN = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "method_not_supported_for_channel_type"})
"""The channel's history can't be read."""
DESTINATION = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "is_inactive",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "posting_to_channel_denied",
        "messages_tab_disabled",
        "team_not_found",
        "channel_is_limited_access",
    }
)
"""The channel: only a person can change that."""
_DO = {
    "channel_not_found": "check the channel ID in `channel`; into a private channel the app must be invited",
    "not_in_channel": "invite the app: type /invite @alert-bridge in the channel",
    "is_archived": "unarchive the channel, or set another one in `channel`",
    "missing_scope": "add the scope under OAuth & Permissions, then reinstall the app",
    "token_expired": "turn token rotation off, or set a new token",
}
_DO_AUTH = "set the token of an installed app (xoxb-…) in `token`"
_DO_DESTINATION = "let the app post in this channel, or set another one in `channel`"


def advice(code: str) -> str:
    """Return what an operator should do about an error word."""
    if code in _DO:
        return _DO[code]
    if code in AUTH:
        return _DO_AUTH
    return _DO_DESTINATION if code in DESTINATION else "see docs/sinks/slack.md, Troubleshooting, then replay it"
