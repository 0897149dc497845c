"""A local Slack that speaks the Web API and incoming webhooks as the real one does, limits and refusals included."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bridge.sandbox.faults import Faults
from bridge.sandbox.slack_limits import Json, refusal
from bridge.sandbox.slack_workspace import No, SlackChannel, SlackMessage, SlackWorkspace, ticks

TOKEN = "xoxb-sandbox"  # noqa: S105 - not a secret: it opens nothing but the sandbox
BOT_ID = "B0BRIDGE"
WEBHOOK = "/slack/services/T0SANDBOX/B0SANDBOX/sandbox"
SCOPES = ("chat:write", "channels:history", "groups:history", "channels:read", "groups:read")
BURST = 3
_NEEDED = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.info": "channels:read",
}
_STRUCTURED = ("blocks", "attachments", "metadata")


class SlackSandbox:
    """One workspace under /slack/, one bot in it.

    `per_second` messages per channel are taken (and a burst of three), further ones get 429. Faults are named by
    method ("chat.postMessage"), the webhook's "webhook".
    """

    def __init__(
        self,
        channels: Iterable[SlackChannel] = (),
        *,
        token: str = TOKEN,
        scopes: Iterable[str] = SCOPES,
        faults: Faults | None = None,
        per_second: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.workspace = SlackWorkspace(list(channels) or [SlackChannel()], clock)
        self.faults = faults or Faults()
        self.scopes = set(scopes)
        self.token = token
        self.calls: list[str] = []
        """Methods called so far, oldest first."""
        self._per_second = per_second
        self._clock = clock
        self._spent: dict[str, float] = {}
        self._methods: dict[str, Callable[[Json, Request], Json]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.getPermalink": self._permalink,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.info": self._info,
        }

    def routes(self) -> list[Route]:
        """Return the routes: /slack/api/<method> and the incoming webhook of the first channel."""
        return [
            Route("/slack/api/{method}", self._api, methods=["GET", "POST"]),
            Route("/slack/services/{team}/{hook}/{key}", self._webhook, methods=["POST"]),
        ]

    def messages(self, channel: str = "C0ONCALL") -> list[SlackMessage]:
        """Return the roots of a channel, oldest first, each with its replies."""
        return self.workspace.messages(channel)

    def dump(self) -> Json:
        """Return the workspace as plain JSON, to be kept over a restart."""
        return self.workspace.dump()

    def load(self, state: Json) -> None:
        """Put back what `dump` returned."""
        self.workspace.load(state)

    async def _api(self, request: Request) -> Response:
        method = request.path_params["method"]
        self.calls.append(method)
        arguments = await _arguments(request)
        return await self.faults.around(method, lambda: self._answer(method, arguments, request))

    def _answer(self, method: str, arguments: Json, request: Request) -> Response:
        if method == "chat.postMessage" and (wait := self._over_limit(str(arguments.get("channel")))):
            return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"retry-after": str(wait)})
        try:
            body = {"ok": True, **self._checked(method, arguments, request)}
        except No as no:
            body = {"ok": False, "error": no.error}
        if body.get("error") == "missing_scope":
            body |= {"needed": _NEEDED[method], "provided": ",".join(sorted(self.scopes))}
        return JSONResponse(body, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})

    def _checked(self, method: str, arguments: Json, request: Request) -> Json:
        token = request.headers.get("authorization", "").removeprefix("Bearer ") or arguments.get("token", "")
        if not token:
            raise No("not_authed")
        if token != self.token:
            raise No("invalid_auth")
        if method not in self._methods:
            raise No("unknown_method")
        needed = _NEEDED.get(method)
        private = self.workspace.channels.get(str(arguments.get("channel")), SlackChannel()).is_private
        if needed and (needed.replace("channels:", "groups:") if private else needed) not in self.scopes:
            raise No("missing_scope")
        return self._methods[method](arguments, request)

    def _over_limit(self, channel: str) -> int:
        """Return how many seconds to wait, 0 when the call may pass: a bucket that holds BURST and leaks."""
        now, gap = self._clock(), 1 / self._per_second
        full_at = max(self._spent.get(channel, now), now)
        if full_at - now > gap * (BURST - 1):
            return max(1, math.ceil(full_at - now - gap * (BURST - 1)))
        self._spent[channel] = full_at + gap
        return 0

    def _auth_test(self, arguments: Json, request: Request) -> Json:
        where = {"url": f"{request.base_url}slack/", "team": "Sandbox", "team_id": "T0SANDBOX"}
        return {**where, "user": "alert-bridge", "user_id": "U0BRIDGE", "bot_id": BOT_ID}

    def _post(self, arguments: Json, request: Request) -> Json:
        channel = str(arguments.get("channel", ""))
        self.workspace.writable(channel)
        if refused := refusal(arguments, edited=False):
            return refused
        thread_ts = str(arguments.get("thread_ts") or "")
        posted = self.workspace.post(channel, BOT_ID, arguments, thread_ts=thread_ts)
        return {"channel": channel, "ts": posted.ts, "message": _wire(posted)}

    def _update(self, arguments: Json, request: Request) -> Json:
        channel, ts = str(arguments.get("channel", "")), str(arguments.get("ts", ""))
        self.workspace.find(self.workspace.known(channel).id, ts)
        if refused := refusal(arguments, edited=True):
            return refused
        message = self.workspace.update(channel, ts, BOT_ID, arguments)
        return {"channel": channel, "ts": ts, "text": message.text, "message": _wire(message)}

    def _delete(self, arguments: Json, request: Request) -> Json:
        channel, ts = str(arguments.get("channel", "")), str(arguments.get("ts", ""))
        self.workspace.delete(self.workspace.known(channel).id, ts)
        return {"channel": channel, "ts": ts}

    def _permalink(self, arguments: Json, request: Request) -> Json:
        channel, ts = str(arguments.get("channel", "")), str(arguments.get("message_ts", ""))
        self.workspace.find(self.workspace.known(channel).id, ts)
        address = f"{request.base_url}slack/archives/{channel}/p{ts.replace('.', '')}"
        return {"channel": channel, "permalink": address}

    def _history(self, arguments: Json, request: Request) -> Json:
        oldest, latest = (str(arguments.get(key) or "") for key in ("oldest", "latest"))
        inclusive = arguments.get("inclusive") in (True, "1", "true")
        least = ticks(oldest) + (0 if inclusive else 1) if oldest else 0
        most = ticks(latest) - (0 if inclusive else 1) if latest else math.inf
        return _page(self.workspace.history(str(arguments.get("channel", "")), least, most), arguments)

    def _replies(self, arguments: Json, request: Request) -> Json:
        thread = self.workspace.thread(str(arguments.get("channel", "")), str(arguments.get("ts", "")))
        return _page(thread, arguments)

    def _info(self, arguments: Json, request: Request) -> Json:
        channel = self.workspace.known(str(arguments.get("channel", "")))
        about = {"is_member": channel.is_member, "is_archived": channel.is_archived, "is_private": channel.is_private}
        return {"channel": {"id": channel.id, "name": channel.name, "is_channel": True, **about}}

    async def _webhook(self, request: Request) -> Response:
        self.calls.append("webhook")
        body = await request.body()
        return await self.faults.around("webhook", lambda: self._announced(request.url.path, body))

    def _announced(self, path: str, body: bytes) -> Response:
        if path != WEBHOOK:
            return PlainTextResponse("no_service", 404)
        try:
            content = json.loads(body)
        except ValueError:
            return PlainTextResponse("invalid_payload", 400)
        if refused := refusal(content, edited=False):
            return PlainTextResponse(str(refused["error"]), 400)
        try:
            self.workspace.post(next(iter(self.workspace.channels)), "B0SANDBOX", content)
        except No as no:
            archived = no.error == "is_archived"
            return PlainTextResponse("channel_is_archived" if archived else no.error, 410 if archived else 404)
        return PlainTextResponse("ok")


async def _arguments(request: Request) -> Json:
    """Return a call's arguments, from JSON or a form (in which what is structured is JSON in a string)."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            decoded = json.loads(body or b"{}")
        except ValueError:
            return {}
        return decoded if isinstance(decoded, dict) else {}
    arguments: Json = {**dict(parse_qsl(body.decode(), keep_blank_values=True)), **request.query_params}
    for key in _STRUCTURED:
        if isinstance(value := arguments.get(key), str):
            arguments[key] = json.loads(value)
    return arguments


def _page(messages: list[SlackMessage], arguments: Json) -> Json:
    """Return one page; the cursor is the index of the next message."""
    limit, start = int(str(arguments.get("limit") or 100)), int(str(arguments.get("cursor") or 0))
    rest = start + limit < len(messages)
    full = arguments.get("include_all_metadata") in (True, "1", "true")
    return {
        "messages": [_wire(message, full=full) for message in messages[start : start + limit]],
        "has_more": rest,
        "response_metadata": {"next_cursor": str(start + limit) if rest else ""},
    }


def _wire(message: SlackMessage, *, full: bool = True) -> Json:
    """Return a message as the API shows it; the metadata's payload only where it was asked for."""
    wire: Json = {"type": "message", "ts": message.ts, "text": message.text, "bot_id": message.bot_id}
    if message.deleted:
        return {"type": "message", "subtype": "tombstone", "ts": message.ts, "text": message.text}
    if message.metadata:
        wire["metadata"] = message.metadata if full else {"event_type": message.metadata.get("event_type")}
    if message.thread_ts or message.replies:
        wire["thread_ts"] = message.thread_ts or message.ts
    if message.broadcast:
        wire["subtype"] = "thread_broadcast"
    shown = {"blocks": message.blocks, "attachments": message.attachments}
    return wire | {key: value for key, value in shown.items() if value}
