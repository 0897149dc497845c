"""Loading the config for a command, with its errors as the command's failure."""

from __future__ import annotations

import os

from bridge import wiring
from bridge.cli import Failure, here
from bridge.settings import ConfigError, Settings, config_path

MISSING = """There is no config at {path}. Either
  write one: begin with a copy of config/bridge.yaml or of one in config/examples, and
    ALERT_BRIDGE_CONFIG=/path/to/it alert-bridge check-config
  or try the bridge without a config and without accounts:
    alert-bridge up --demo"""


def settings() -> Settings:
    """Return the validated config of the bridge that runs here, or else of the one that the environment names."""
    here.join()
    return own()


def own() -> Settings:
    """Return the validated config that the environment names; a broken one ends the command, every mistake named."""
    path = config_path(os.environ)
    if not path.exists():
        raise Failure(MISSING.format(path=path))
    try:
        return wiring.load()
    except ConfigError as error:
        count = len(error.problems)
        raise Failure(f"the config has {f'{count} mistakes' if count > 1 else 'a mistake'}:\n{error}") from error
