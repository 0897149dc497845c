"""An incoming webhook: new messages only."""

from __future__ import annotations

import msgspec

from bridge.ports import Delivery, Finding, House, Outcome, Receipt
from bridge.sinks.slack.api import Refused, Webhook, final
from bridge.sinks.slack.examine import of_webhook
from bridge.sinks.slack.message import Message, message, plain, short_message


class Announcements:
    """One message when an incident opens and one for each change worth telling; nothing is edited or threaded.

    Slack gives no id back, so after an interrupted call the message is sent again: it may stand there twice.
    """

    def __init__(self, webhook: Webhook, house: House, *, buttons: bool) -> None:
        self._webhook = webhook
        self._house = house
        self._buttons = buttons

    def sync(self, delivery: Delivery) -> Receipt:
        """Post what is untold, oldest first."""
        incident, receipt = delivery.incident, delivery.receipt
        if receipt is None:
            previous = delivery.previous.link if delivery.previous else None
            shown = message(incident, delivery.links, delivery.peers, previous, self._house, buttons=self._buttons)
            self._post(shown, None)
            receipt = Receipt(handle=("webhook",), version=incident.version, told=incident.version)
        for entry in incident.untold(receipt.told):
            self._post(short_message(incident, entry, self._house), receipt)
            receipt = msgspec.structs.replace(receipt, told=entry.version)
        return msgspec.structs.replace(receipt, version=incident.version, told=incident.version, open=incident.open)

    def find(self, delivery: Delivery) -> Receipt | None:
        """Return None: a webhook can't read."""
        return None

    def take_back(self, delivery: Delivery, _: Receipt) -> Receipt:
        """Post that it is over: a webhook can delete nothing."""
        return self.sync(delivery)

    def examine(self) -> list[Finding]:
        """Say that it can't be checked."""
        return [of_webhook()]

    def _post(self, shown: Message, receipt: Receipt | None) -> None:
        try:
            self._send(shown)
        except Refused as refused:
            outcome = final(refused)
            outcome.receipt = receipt
            raise outcome from None
        except Outcome as outcome:
            outcome.receipt = receipt
            raise

    def _send(self, shown: Message) -> None:
        try:
            self._webhook.send(shown)
        except Refused:
            self._webhook.send(plain(shown))
