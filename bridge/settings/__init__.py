"""The operator's config: strict types for options, loaded once, all errors reported together."""

from __future__ import annotations

from bridge.settings.load import load, parse
from bridge.settings.options import Careful, Duration, Options, Secret, Size, WebAddress, parse_duration, parse_size
from bridge.settings.problems import ConfigError, Problem
from bridge.settings.schema import schema
from bridge.settings.sections import Configured, Destination, Kinds, Settings, config_path

__all__ = [
    "Careful",
    "ConfigError",
    "Configured",
    "Destination",
    "Duration",
    "Kinds",
    "Options",
    "Problem",
    "Secret",
    "Settings",
    "Size",
    "WebAddress",
    "config_path",
    "load",
    "parse",
    "parse_duration",
    "parse_size",
    "schema",
]
