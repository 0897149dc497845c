"""What `up --demo` shows: a real alert of each source becoming a Slack message and a Jira issue."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import httpx

from bridge import wiring
from bridge.cli import here, say
from bridge.store.incidents import Incidents, Record

PATIENCE = 20.0
"""Seconds an alert has to arrive everywhere; it takes a few milliseconds."""


def show(sandbox: str, data: Path) -> None:
    """Send a sample of each source and print what became of it."""
    settings = wiring.load()
    incidents = Incidents(wiring.keyspace(settings))
    say("\nA sample of each source, proven as the real sender would prove it:\n")
    for source in settings.sources:
        before = _count(incidents, source)
        began = time.monotonic()
        httpx.post(f"{sandbox}/samples/{source}", data={"status": "firing"}, timeout=10, trust_env=False)
        record = _arrived(incidents, source, before, len(settings.destinations))
        if record is None:
            say(f"  {source}: not arrived within {PATIENCE:.0f} s; see the lines above")
        else:
            _tell(source, record, (time.monotonic() - began) * 1000)
    say(f"The channel and the board, as people would see them: {sandbox}/")
    say("Fire and resolve more of them there, or break the shop that the bridge watches.")
    say(f"List them: {_command(data)} incidents\n")


def _tell(source: str, record: Record, took: float) -> None:
    i = record.incident
    arrived = f"{took:.0f} ms from webhook to Jira" if i.count == 1 else "told before: one more is only a count"
    say(f"  {source}: {i.title}")
    say(f"    {i.severity} · {i.service or 'no service'} · count {i.count} · {arrived}")
    for name, receipt in sorted(record.receipts.items()):
        say(f"    {name:<8} {receipt.link.url if receipt.link else 'told'}")
    say(f"    trace    {i.trace_id or 'none in this alert'}\n")


def _count(incidents: Incidents, source: str) -> int:
    return sum(r.incident.count for r in incidents.each() if r.incident.source == source)


def _arrived(incidents: Incidents, source: str, before: int, destinations: int) -> Record | None:
    """Return the incident once the sample is counted in and every destination was told."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if _count(incidents, source) > before:
            for record in incidents.each():
                if record.incident.source == source and record.incident.open and len(record.receipts) >= destinations:
                    return record
        time.sleep(0.02)
    return None


def _command(data: Path) -> str:
    """Return how to call this program again, from a shell in the same directory."""
    own = Path(sys.argv[0])
    name = own.name if shutil.which(own.name) else os.path.relpath(own)
    return name if data == Path(here.DEFAULT_DATA) else f"ALERT_BRIDGE_DATA={data} {name}"
