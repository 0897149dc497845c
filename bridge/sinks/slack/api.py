"""Calls to Slack's Web API, and what a failed one means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from urllib.error import URLError

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from bridge.ports import Outcome, Rejected, RetryAt, Unknown
from bridge.sinks.outcome import AUTH_RETRY, from_status, never_sent
from bridge.sinks.slack.codes import AUTH, IN_DOUBT, LATER, LIMITED, UNSEEN, advice
from bridge.sinks.slack.connection import TIMEOUT, KeptClient, quiet, tls

SOON = timedelta(seconds=5)
MIGRATION = timedelta(minutes=15)


class Refused(Exception):
    """Slack read the call and said no: `code` is its word, `detail` a sentence with what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Api:
    """Slack's Web API with one token. No retries; safe to use from any thread."""

    def __init__(self, token: str, base_url: str, timeout: int = TIMEOUT) -> None:
        self._client = KeptClient(token, base_url, timeout)
        self._self: SlackResponse | None = None

    def write(self, method: str, *, idempotent: bool = False, **arguments: object) -> SlackResponse:
        """Call a method with a JSON body; raises Refused or an Outcome."""
        return self._call(method, idempotent=idempotent, json=arguments)

    def read(self, method: str, **arguments: object) -> SlackResponse:
        """Call a method with a form body (some take no JSON); raises Refused or RetryAt."""
        return self._call(method, idempotent=True, params=arguments)

    def is_own(self, posted: Mapping[str, object]) -> bool:
        """Return True if this token's own bot (or person) posted the message; asks Slack once who that is."""
        own = self._about_itself()
        bot = own.get("bot_id")
        return posted.get("bot_id") == str(bot) if bot else posted.get("user") == str(own.get("user_id"))

    def address(self, channel: str, ts: str) -> str:
        """Return where a message can be opened, as chat.getPermalink would say it; asks Slack once for the workspace.

        https://docs.slack.dev/reference/methods/chat.getPermalink
        """
        return f"{self._about_itself()['url']}archives/{channel}/p{ts.replace('.', '')}"

    def _about_itself(self) -> SlackResponse:
        if self._self is None:
            self._self = self.read("auth.test")
        return self._self

    def _call(
        self,
        method: str,
        *,
        idempotent: bool,
        json: dict[str, object] | None = None,
        params: dict[str, object] | None = None,
    ) -> SlackResponse:
        try:
            return self._client.api_call(method, json=json, params=params)
        except SlackApiError as error:
            raise _answered(method, error.response, idempotent=idempotent) from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise unanswered(method, error, idempotent=idempotent) from error


class Webhook:
    """One incoming webhook. No retries; safe to use from any thread."""

    def __init__(self, url: str) -> None:
        self._client = WebhookClient(url, TIMEOUT, tls(), retry_handlers=[], logger=quiet())
        self._client.proxy = None  # the SDK's own look at HTTPS_PROXY forgets NO_PROXY; urllib's does not

    def send(self, message: Mapping[str, object]) -> None:
        """Post a message; raises Refused or an Outcome. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""
        try:
            answer = self._client.send_dict(dict(message))
        except (OSError, HTTPException, UnicodeError) as error:
            raise unanswered("the webhook", error, idempotent=False) from error
        if answer.status_code == 200 and answer.body.strip() == "ok":
            return
        word = " ".join(answer.body.split())[:100] if "<" not in answer.body else "a page of HTML"
        said = f"Slack's webhook answered {answer.status_code} {word}".rstrip()
        if answer.status_code == 400:
            raise Refused(word, said)
        if answer.status_code == 200:
            raise Unknown(said)
        if answer.status_code in (403, 404, 410):
            raise Rejected(f"{said}: create a new webhook for the channel and set it in `webhook_url`")
        raise from_status(answer.status_code, answer.headers, said, datetime.now(UTC))


def _answered(method: str, response: SlackResponse, *, idempotent: bool) -> Outcome | Refused:
    """Return what an answer other than `ok: true` means; of two readings the more careful one."""
    status, headers = response.status_code, response.headers
    data: Mapping[str, object] = response.data if isinstance(response.data, dict) else {}
    code = " ".join(str(data.get("error", "")).split())
    garbled = not code or " " in code  # the SDK puts a sentence there when the body was no JSON
    word = ("" if status == 429 else "something that is no JSON") if garbled else code
    said = " ".join(f"Slack's {method} answered {status if status != 200 else ''} {word}".split())
    if status == 429 or code in LIMITED:
        return from_status(429, headers, said, datetime.now(UTC))
    if status >= 500 or (garbled and status != 200):
        return from_status(status, headers, said, datetime.now(UTC), idempotent=idempotent)
    if garbled or code in IN_DOUBT:
        return RetryAt(said, after=SOON) if idempotent else Unknown(said)
    return _refused(code, said, data)


def _refused(code: str, said: str, data: Mapping[str, object]) -> Outcome | Refused:
    if code in LATER:
        return RetryAt(f"{said}: waiting for Slack", after=MIGRATION, blocked=True)
    if code in AUTH and code not in UNSEEN:
        return RetryAt(f"{said}: {advice(code)}", after=AUTH_RETRY, blocked=True)
    messages = _messages(data)
    if "needed" in data:
        messages = f" (needed: {data['needed']}; the token has: {data.get('provided', '')})"
    return Refused(code, f"{said}{messages}: {advice(code)}")


def _messages(data: Mapping[str, object]) -> str:
    """Return which part of a message Slack did not like, in its own words."""
    about = data.get("response_metadata")
    listed = about.get("messages") if isinstance(about, dict) else None
    return f" ({'; '.join(str(each) for each in listed)[:500]})" if isinstance(listed, list) and listed else ""


def final(refused: Refused) -> Outcome:
    """Return the outcome of a refusal that nothing more can be done about in this attempt."""
    if refused.code in AUTH:
        return RetryAt(refused.detail, after=AUTH_RETRY, blocked=True)
    return Rejected(refused.detail)


def unanswered(what: str, error: Exception, *, idempotent: bool) -> Outcome:
    """Return what a call that got no answer means."""
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    said = f"no answer from Slack to {what}: {type(cause).__name__} {cause}".rstrip()
    if isinstance(error, URLError) and never_sent(cause):
        return RetryAt(f"{said}: check DNS, firewall and proxy", after=SOON, blocked=True)
    return RetryAt(said, after=SOON) if idempotent else Unknown(said)
