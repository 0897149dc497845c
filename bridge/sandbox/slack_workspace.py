"""A Slack workspace in memory: channels and the messages in them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from bridge.sandbox.slack_limits import Json

TOMBSTONE = "This message was deleted."


class SlackChannel(msgspec.Struct, kw_only=True):
    """A channel, as the bot sees it."""

    id: str = "C0ONCALL"
    name: str = "oncall"
    is_member: bool = True
    is_archived: bool = False
    is_private: bool = False


class SlackMessage(msgspec.Struct, kw_only=True):
    """A message, with the replies in its thread if it is a root."""

    channel: str
    ts: str
    bot_id: str
    text: str = ""
    blocks: list[object] = []
    attachments: list[object] = []
    metadata: Json = {}
    thread_ts: str = ""
    """The root's ts; empty in a root."""
    broadcast: bool = False
    """A reply that is shown in the channel too."""
    edits: int = 0
    deleted: bool = False
    """A root that was deleted while it had replies: a tombstone stands in its place."""
    replies: list[SlackMessage] = []


class No(Exception):
    """Slack's refusal; `error` is its word."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class SlackWorkspace:
    """Channels and messages. Safe to use from any thread."""

    def __init__(self, channels: Iterable[SlackChannel], clock: Callable[[], float] = time.time) -> None:
        self.channels = {channel.id: channel for channel in channels}
        self._lock = threading.RLock()
        self._clock = clock
        self._last_ts = 0
        self._messages: dict[str, dict[str, SlackMessage]] = {}

    def messages(self, channel: str) -> list[SlackMessage]:
        """Return copies of the roots of a channel, oldest first, each with its replies."""
        with self._lock:
            return [_copied(root) for root in self._messages.get(channel, {}).values()]

    def post(self, channel: str, bot_id: str, content: Mapping[str, object], *, thread_ts: str = "") -> SlackMessage:
        """Add a root, or a reply when `thread_ts` is a root's; raises No."""
        with self._lock:
            self.writable(channel)
            posted = SlackMessage(channel=channel, ts=self._next_ts(), bot_id=bot_id, thread_ts=thread_ts)
            _fill(posted, content)
            posted.broadcast = bool(content.get("reply_broadcast")) and bool(thread_ts)
            if thread_ts:
                self._root(channel, thread_ts, "cannot_reply_to_message").replies.append(posted)
            else:
                self._messages.setdefault(channel, {})[posted.ts] = posted
            return posted

    def update(self, channel: str, ts: str, bot_id: str, content: Mapping[str, object]) -> SlackMessage:
        """Edit a message of this bot; raises No."""
        with self._lock:
            self.writable(channel)
            message = self.find(channel, ts)
            if message.bot_id != bot_id:
                raise No("cant_update_message")
            if "text" in content and not {"blocks", "attachments"} & content.keys():
                message.blocks = []
            _fill(message, content)
            message.edits += 1
            return message

    def delete(self, channel: str, ts: str) -> None:
        """Take a message out, as a person would; a root with replies leaves a tombstone. Raises No."""
        with self._lock:
            message = self.find(channel, ts)
            if message.thread_ts:
                self._root(channel, message.thread_ts, "message_not_found").replies.remove(message)
            elif not message.replies:
                del self._messages[channel][ts]
            else:
                message.text, message.blocks, message.attachments, message.metadata = TOMBSTONE, [], [], {}
                message.deleted = True

    def history(self, channel: str, least: int = 0, most: float = math.inf) -> list[SlackMessage]:
        """Return what stands in a channel between two ticks, newest first: roots and replies that were broadcast.

        Raises No.
        """
        with self._lock:
            roots = self._messages.get(self.readable(channel).id, {}).values()
            broadcast = (reply for root in roots for reply in root.replies if reply.broadcast)
            found = [each for each in (*roots, *broadcast) if least <= ticks(each.ts) <= most]
            return sorted(map(_copied, found), key=lambda message: ticks(message.ts), reverse=True)

    def thread(self, channel: str, ts: str) -> list[SlackMessage]:
        """Return a root and its replies, oldest first; raises No."""
        with self._lock:
            self.readable(channel)
            root = _copied(self._root(channel, ts, "thread_not_found"))
            return [root, *root.replies]

    def find(self, channel: str, ts: str) -> SlackMessage:
        """Return the message itself, a root or a reply; raises No."""
        with self._lock:
            roots = self._messages.get(channel, {})
            candidates = (each for root in roots.values() for each in (root, *root.replies))
            found = next((each for each in candidates if each.ts == ts and not each.deleted), None)
            if found is None:
                raise No("message_not_found")
            return found

    def readable(self, channel: str) -> SlackChannel:
        """Return a channel the bot is in; raises No."""
        known = self.known(channel)
        if not known.is_member:
            raise No("not_in_channel")
        return known

    def writable(self, channel: str) -> SlackChannel:
        """Return a channel the bot can post in; raises No."""
        known = self.readable(channel)
        if known.is_archived:
            raise No("is_archived")
        return known

    def known(self, channel: str) -> SlackChannel:
        """Return a channel by id; raises No for one that is not there, or private and not joined."""
        known = self.channels.get(channel)
        if known is None or (known.is_private and not known.is_member):
            raise No("channel_not_found")
        return known

    def dump(self) -> Json:
        """Return everything as plain JSON."""
        with self._lock:
            roots = [root for channel in self._messages.values() for root in channel.values()]
            return {"messages": msgspec.to_builtins(roots), "channels": msgspec.to_builtins(self.channels)}

    def load(self, state: Json) -> None:
        """Put back what `dump` returned; channels that are configured now stay as they are."""
        with self._lock:
            channels = msgspec.convert(state.get("channels", {}), dict[str, SlackChannel])
            self.channels = {**channels, **self.channels}
            for root in msgspec.convert(state.get("messages", []), list[SlackMessage]):
                self._messages.setdefault(root.channel, {})[root.ts] = root
                self._last_ts = max(self._last_ts, *(ticks(each.ts) for each in (root, *root.replies)))

    def _root(self, channel: str, ts: str, otherwise: str) -> SlackMessage:
        root = self._messages.get(channel, {}).get(ts)
        if root is None:
            raise No(otherwise)
        return root

    def _next_ts(self) -> str:
        """Return a ts as Slack writes them: seconds and six digits, each only once."""
        self._last_ts = max(self._last_ts + 1, int(self._clock() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


def ticks(ts: str) -> int:
    """Return a ts in microseconds: its order, without the rounding of floats."""
    seconds, _, rest = ts.partition(".")
    return int(seconds or 0) * 1_000_000 + int(f"{rest:0<6}"[:6])


def _copied(root: SlackMessage) -> SlackMessage:
    return msgspec.structs.replace(root, replies=[msgspec.structs.replace(reply) for reply in root.replies])


def _fill(message: SlackMessage, content: Mapping[str, object]) -> None:
    """Set what the content has; what it lacks stays."""
    if "text" in content:
        message.text = str(content["text"] or "")
    blocks, attachments, metadata = (content.get(key) for key in ("blocks", "attachments", "metadata"))
    if isinstance(blocks, list):
        message.blocks = blocks
    if isinstance(attachments, list):
        message.attachments = attachments
    if isinstance(metadata, dict):
        message.metadata = metadata
