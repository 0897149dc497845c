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

NONE_RUNS = "No bridge runs on this data directory (to try one: make run). With {path}:"


def settings() -> Settings:
    """Return the validated config of the bridge that runs here, or else of the one that the environment names."""
    return _read(joined=here.join())


def own() -> Settings:
    """Return the validated config that the environment names; a broken one ends the command, every mistake named."""
    return _read(joined=True)


def _read(*, joined: bool) -> Settings:
    path = config_path(os.environ)
    if not path.exists():
        raise Failure(MISSING.format(path=path))
    try:
        return wiring.load()
    except ConfigError as error:
        if error.only_unset and not joined:
            raise Failure(f"{NONE_RUNS.format(path=path)}\n{error}") from error
        count = len(error.problems)
        raise Failure(f"the config has {f'{count} mistakes' if count > 1 else 'a mistake'}:\n{error}") from error
