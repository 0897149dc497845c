"""A channel with a bot token: one root message, edited in place, with its history in the thread."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
import structlog

from bridge.domain.alert import Link
from bridge.domain.incident import Change, Entry
from bridge.ports import Delivery, Finding, House, Outcome, Receipt, RetryAt
from bridge.sinks.slack.api import Api, Refused, final
from bridge.sinks.slack.codes import AUTH, DESTINATION, GONE, THREADLESS, UNSEEN
from bridge.sinks.slack.examine import examine
from bridge.sinks.slack.history import ENTRY, INCIDENT, find
from bridge.sinks.slack.message import Message, entry_message, message, plain
from bridge.sinks.slack.options import SlackOptions

PATIENCE = 11.0
"""Seconds after which a sync begins no further call: with the time-out of a call it ends within 20 s."""
_TEXT_WONT_HELP = AUTH | DESTINATION | GONE | THREADLESS

log = structlog.get_logger(__name__)


class Channel:
    """Brings one channel up to date and looks up what stands there. Called from several threads."""

    def __init__(self, name: str, options: SlackOptions, house: House, api: Api) -> None:
        self._name = name
        self._options = options
        self._house = house
        self._api = api

    def sync(self, delivery: Delivery) -> Receipt:
        """Show the incident as it is, then tell its untold entries in the thread, oldest first.

        The root goes first: a reply then never speaks of a state that the root does not show, and a root that
        somebody deleted is noticed (and posted anew) before anything is put into its thread.
        """
        incident, started = delivery.incident, time.monotonic()
        receipt = self._show(delivery)
        for entry in incident.untold(receipt.told):
            if time.monotonic() - started > PATIENCE:
                raise RetryAt("Slack is slow: going on in a moment", after=timedelta(seconds=1), receipt=receipt)
            receipt = self._tell(delivery, receipt, entry)
        receipt = msgspec.structs.replace(receipt, told=incident.version)
        if receipt.link is None and time.monotonic() - started < PATIENCE:
            receipt = self._linked(receipt)
        return receipt

    def examine(self) -> Iterator[Finding]:
        """Check token, scopes and channel; raises nothing."""
        return examine(self._api, self._options.channel)

    def take_back(self, delivery: Delivery, receipt: Receipt) -> Receipt:
        """Delete the message; one that is gone already is what was wanted."""
        channel, ts = receipt.handle
        with _keeping(receipt):
            try:
                self._api.write("chat.delete", idempotent=True, channel=channel, ts=ts)
            except Refused as refused:
                if refused.code != "message_not_found":
                    raise
        version = delivery.incident.version
        return msgspec.structs.replace(receipt, version=version, told=version, open=False)

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return what stands in the channel; what is known already when the token may not look."""
        try:
            return find(self._api, self._options.channel, delivery)
        except Refused as refused:
            if refused.code in UNSEEN:
                log.warning("slack_history_unreadable", destination=self._name, reason=refused.detail)
                return delivery.receipt
            raise final(refused) from None

    def _show(self, delivery: Delivery) -> Receipt:
        incident, receipt = delivery.incident, delivery.receipt
        shown = self._render(delivery)
        memo = (_digest(shown),)
        if receipt is None:
            receipt = self._post(delivery, shown, incident.version)
        elif receipt.memo != memo and not self._edit(receipt, shown):
            log.warning("slack_message_gone", destination=self._name, incident=incident.id)
            receipt = self._post(delivery, shown, receipt.told)
        return msgspec.structs.replace(receipt, version=incident.version, open=incident.open, memo=memo)

    def _render(self, delivery: Delivery) -> Message:
        previous = delivery.previous.link if delivery.previous else None
        return message(
            delivery.incident,
            delivery.links,
            delivery.peers,
            previous,
            self._house,
            buttons=self._options.buttons,
        )

    def _post(self, delivery: Delivery, shown: Message, told: int) -> Receipt:
        """Post a root message; `told` in its metadata says which entries need no reply in its thread."""
        payload = {"incident": delivery.incident.id, "version": told}
        with _keeping(delivery.receipt):
            channel, ts = self._send(
                "chat.postMessage",
                shown,
                channel=self._options.channel,
                unfurl_links=False,
                unfurl_media=False,
                metadata={"event_type": INCIDENT, "event_payload": payload},
            )
        return Receipt(handle=(channel, ts), version=delivery.incident.version, told=told)

    def _edit(self, receipt: Receipt, shown: Message) -> bool:
        """Edit the root message; False when it can't be edited any more. The metadata stays as it was posted."""
        channel, ts = receipt.handle
        with _keeping(receipt):
            try:
                # parse: the default of chat.update would look for mentions in plain text
                self._send("chat.update", shown, idempotent=True, channel=channel, ts=ts, parse="none")
            except Refused as refused:
                if refused.code not in GONE:
                    raise
                return False
        return True

    def _tell(self, delivery: Delivery, receipt: Receipt, entry: Entry) -> Receipt:
        channel, ts = receipt.handle
        payload = {"incident": delivery.incident.id, "entry": entry.version}
        with _keeping(receipt):
            try:
                self._send(
                    "chat.postMessage",
                    entry_message(delivery.incident, entry, self._house),
                    channel=channel,
                    thread_ts=ts,
                    reply_broadcast=entry.change is Change.REOPENED and self._options.reopen_broadcast,
                    unfurl_links=False,
                    unfurl_media=False,
                    metadata={"event_type": ENTRY, "event_payload": payload},
                )
            except Refused as refused:
                if refused.code not in THREADLESS:
                    raise
                log.warning("slack_thread_refused", destination=self._name, reason=refused.detail)
        return msgspec.structs.replace(receipt, told=entry.version)

    def _send(self, method: str, shown: Message, *, idempotent: bool = False, **where: object) -> tuple[str, str]:
        """Send a message, as plain text if Slack does not take it otherwise; returns its channel and ts."""
        try:
            answer = self._api.write(method, idempotent=idempotent, **shown, **where)
        except Refused as refused:
            if refused.code in _TEXT_WONT_HELP:
                raise
            log.warning("slack_message_degraded", destination=self._name, reason=refused.detail)
            if "metadata" in refused.code:
                where.pop("metadata", None)
            answer = self._api.write(method, idempotent=idempotent, **plain(shown), **where)
        return str(answer["channel"]), str(answer["ts"])

    def _linked(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the message's address; without, when Slack does not tell it now."""
        channel, ts = receipt.handle
        try:
            address = self._api.address(channel, ts)
        except (Refused, Outcome):
            return receipt
        return msgspec.structs.replace(receipt, link=Link("Slack", address))


@contextmanager
def _keeping(receipt: Receipt | None) -> Iterator[None]:
    """Let nothing out but outcomes that carry what was achieved so far."""
    try:
        yield
    except Refused as refused:
        outcome = final(refused)
        outcome.receipt = receipt
        raise outcome from None
    except Outcome as outcome:
        outcome.receipt = receipt
        raise


def _digest(shown: Message) -> str:
    return hashlib.blake2b(msgspec.json.encode(shown, order="deterministic"), digest_size=8).hexdigest()
