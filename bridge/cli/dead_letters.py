"""alert-bridge dead-letters."""

from __future__ import annotations

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Unreachable, load
from bridge.cli.table import output_option, show
from bridge.domain.words import clip
from bridge.store.deadletters import DeadLetters


@click.group("dead-letters")
def command() -> None:
    """Deliveries that were rejected, and proven requests that could not be parsed."""


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List them, the oldest first."""
    settings = load.settings()
    try:
        letters = DeadLetters(wiring.keyspace(settings)).all()
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error
    rows = [
        {
            "since": letter.at.astimezone(settings.timezone).isoformat(" ", "seconds"),
            "id": letter.id,
            "for": letter.destination or f"from {letter.source}",
            "attempts": letter.attempts or None,
            "reason": letter.reason if output == "json" else clip(letter.reason, 120),
        }
        | ({"body": letter.body} if output == "json" else {})
        for letter in letters
    ]
    show(rows, output, "No dead letters.")
