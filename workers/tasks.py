"""The tasks: what a bell rings."""

from __future__ import annotations

from bridge.message import DELIVER, INGEST, RECOVER
from bridge.pipeline import deliver as deliver_
from bridge.pipeline import onward
from bridge.pipeline import recover as recover_
from workers.app import app, parts


@app.task(name=INGEST)
def ingest() -> None:
    """Look into the inbox, and at what became due by it."""
    onward.ingest_and_deliver(parts())


@app.task(name=DELIVER)
def deliver(destination: str) -> None:
    """Look at what is due at a destination."""
    deliver_.deliver(parts(), destination)


@app.task(name=RECOVER)
def recover(action: str) -> None:
    """Look at what a recovery action is due for."""
    recover_.recover(parts(), action)
