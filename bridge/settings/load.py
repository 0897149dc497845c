"""YAML file → Settings, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bridge.domain.words import clip
from bridge.settings import canary_names, document
from bridge.settings.document import Document
from bridge.settings.loader import Loader
from bridge.settings.mask import Mask
from bridge.settings.problems import ConfigError, Problem
from bridge.settings.secret_files import SecretFiles, unset
from bridge.settings.sections import Kinds, Settings

SHORTEST_SECRET = 4
"""A shorter one is not looked for in messages: it would be found in words."""
LONGEST_MESSAGE = 600
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def load(path: Path, kinds: Kinds, environ: Mapping[str, str]) -> Settings:
    """Return what a config file says; raises ConfigError with all that is wrong in it.

    Reads files of secrets too (`<key>_file`), and of the environment what the config names, REDIS_URL and SENTRY_DSN.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        message = f"can't be read ({why}): set ALERT_BRIDGE_CONFIG to the path of the config"
        raise ConfigError([Problem(file=str(path), message=message)]) from error
    return parse(data, path, kinds, environ)


def parse(data: bytes, path: Path, kinds: Kinds, environ: Mapping[str, str]) -> Settings:
    """Return what a config says; `path` names it in messages, and relative files of secrets lie beside it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        problem = Problem(
            file=str(path),
            line=before.count(b"\n") + 1,
            column=column,
            message="is not UTF-8 text from here on: save the file as UTF-8",
        )
        raise ConfigError([problem]) from error
    found = document.read(text, str(path), environ)
    settings = Loader(found, SecretFiles(found, path.parent), kinds, environ).settings()
    if settings is not None:
        canary_names.check(found, settings, kinds)
    _tell_unset(found)
    problems = _tidied(found, found.problems)
    if settings is None or problems:
        raise ConfigError(problems)
    outside = (settings.redis_url, settings.broker_url, settings.sentry_dsn)
    secrets = found.secrets | {one.get_secret_value() for one in outside if one is not None}
    return replace(settings, warnings=tuple(_tidied(found, found.warnings)), mask=Mask(secrets))


def _tell_unset(found: Document) -> None:
    """Add what no section took for a secret; a value behind an alias is at several paths, and told of once."""
    told = {(problem.line, problem.column) for problem in found.problems}
    for path, names in found.unset.items():
        for name in names if found.values[path] not in told else ():
            found.fail(path, f"{unset(name)}, or write ${{{name}:-default}}")


def _tidied(found: Document, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems in the file's order, each once, without secrets."""
    once = {(p.line, p.column, p.message): p for p in reversed(problems)}
    ordered = sorted(once.values(), key=lambda p: (p.line, p.column, p.path))
    masked = sorted((s for s in found.secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)
    return [replace(p, message=_line(p.message, masked), path=_line(p.path, masked)) for p in ordered]


def _line(text: str, masked: Sequence[str]) -> str:
    """Return one line without secrets, and without what would move a terminal's cursor."""
    for secret in masked:
        text = text.replace(secret, "•••")
    return clip(_CONTROL.sub(" ", text), LONGEST_MESSAGE)
