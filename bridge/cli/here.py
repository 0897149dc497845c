"""What `up` runs on this machine: a note in its data directory lets commands in other terminals find it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.cli import say
from bridge.store import embedded

DEFAULT_DATA = "data"
DEMO = "demo"
"""Folder in the data directory: what is tried never mixes with what is real."""
_NOTE = "up.json"
_NAMES = ("ALERT_BRIDGE_CONFIG", "ALERT_BRIDGE_DATA", "REDIS_URL", "PORT")


def data_directory() -> Path:
    """Return where `up` keeps its files: ALERT_BRIDGE_DATA, or ./data."""
    return Path(os.environ.get("ALERT_BRIDGE_DATA") or DEFAULT_DATA)


@contextmanager
def noted(data: Path) -> Iterator[None]:
    """Leave a note of how to reach the bridge that runs on a data directory, readable by its owner only."""
    found = {k: v for k, v in os.environ.items() if k in _NAMES or k.startswith("SANDBOX_")}
    note = data / _NOTE
    note.unlink(missing_ok=True)
    note.touch(mode=0o600)
    note.write_text(json.dumps(found))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def join() -> bool:
    """Let this process see the bridge that `up` runs here, unless the environment names another store or config.

    Returns False if no store is known by then.
    """
    if os.environ.get("REDIS_URL"):
        return True
    for data in (data_directory(), data_directory() / DEMO):
        note = _read(data)
        config = os.environ.get("ALERT_BRIDGE_CONFIG")
        if note and (not config or Path(config).absolute() == Path(note["ALERT_BRIDGE_CONFIG"])):
            if data.name == DEMO:
                say(f"(This is the demo that runs on {data.parent}.)")
            os.environ.update(note)
            return True
    return False


def _read(data: Path) -> dict[str, str]:
    """Return the note; nothing when there is none, or when what left it is gone."""
    try:
        note: dict[str, str] = json.loads((data / _NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return note if embedded.in_use(data) else {}
