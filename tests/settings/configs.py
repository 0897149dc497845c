"""Configs for tests, with every real kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from bridge.settings import ConfigError, Settings, parse
from bridge.wiring import kinds

FILE = Path("bridge.yaml")
ENVIRON = {"SECRET": "s3cr3t-of-sentry", "TOKEN": "xoxb-of-slack"}
SMALL = """\
    sources:
      sentry: {kind: sentry, client_secret: "${SECRET}"}
    destinations:
      oncall: {kind: slack, token: "${TOKEN}", channel: C0ONCALL}
    """


def settings(text: str, environ: Mapping[str, str] = ENVIRON, path: Path = FILE) -> Settings:
    """Return what a config says, taken out of its indentation."""
    return parse(dedent(text).encode(), path, kinds(), environ)


def problems(text: str | bytes, environ: Mapping[str, str] = ENVIRON, path: Path = FILE) -> list[str]:
    """Return what is wrong with a config, without the file's name."""
    data = text if isinstance(text, bytes) else dedent(text).encode()
    try:
        parse(data, path, kinds(), environ)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def with_small(text: str) -> str:
    """Return the small config with more sections."""
    return dedent(SMALL) + dedent(text)


def warnings(text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """Return what is hardly meant in a config, without the file's name."""
    found = settings(text, environ).warnings
    return [str(problem).removeprefix(f"{FILE}:") for problem in found]
