"""Loading the config for a command, with its errors as the command's failure."""

from __future__ import annotations

from bridge import wiring
from bridge.cli import Failure
from bridge.settings import ConfigError, Settings


def settings() -> Settings:
    """Return the validated config; a broken one ends the command with every mistake named."""
    try:
        return wiring.load()
    except ConfigError as error:
        raise Failure(f"the config has mistakes:\n{error}") from error
