"""What `up --demo` shows: a real alert of each source becoming a Slack message and a Jira issue."""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import httpx

from bridge import wiring
from bridge.store.incidents import Incidents, Record

PATIENCE = 20.0
"""Seconds an alert has to arrive everywhere; it takes a few milliseconds."""


def show(sandbox: str) -> None:
    """Send a sample of each source and print what became of it."""
    settings = wiring.load()
    incidents = Incidents(wiring.keyspace(settings))
    say: Callable[[str], None] = lambda text: click.echo(text, err=True)  # noqa: E731
    say("\nA sample of each source, proven as the real sender would prove it:\n")
    for source in settings.sources:
        began = time.monotonic()
        answer = httpx.post(f"{sandbox}/samples/{source}", data={"status": "firing"}, timeout=10, trust_env=False)
        record = _arrived(incidents, source, len(settings.destinations))
        if record is None:
            say(f"  {source}: not arrived within {PATIENCE:.0f} s ({answer.status_code}); see the lines above")
            continue
        took = (time.monotonic() - began) * 1000
        i = record.incident
        say(f"  {source}: {i.title}")
        say(f"    {i.severity} · {i.service or 'no service'} · count {i.count} · {took:.0f} ms from webhook to Jira")
        for name, receipt in sorted(record.receipts.items()):
            say(f"    {name:<8} {receipt.link.url if receipt.link else 'told'}")
        say(f"    trace    {i.trace_id or 'none in this alert'}\n")
    say(f"The channel and the board, as people would see them: {sandbox}/")
    say("Fire and resolve more of them there, or list them: alert-bridge incidents\n")


def _arrived(incidents: Incidents, source: str, destinations: int) -> Record | None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for record in incidents.each():
            if record.incident.source == source and record.incident.open and len(record.receipts) >= destinations:
                return record
        time.sleep(0.02)
    return None
