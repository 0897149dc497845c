"""`<key>_file` beside every secret, and secrets that stand in the config itself."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.settings import document as doc
from bridge.settings.fields import FILE, Model, fields, holds_secrets, nested, secrets
from bridge.settings.options import Careful
from bridge.settings.problems import UNSET

LARGEST = 64 * 1024
_TELLING = re.compile(r"(?i)auth|cookie|key|pass|secret|signature|token")
"""Of a map of secrets (headers) the names whose values are some."""


def unset(name: str) -> str:
    """Return what is said of a variable that a value needs."""
    return f"{UNSET} {name} is not set: set it"


class SecretFiles:
    """Reads secrets from files; relative paths are relative to the config's folder."""

    def __init__(self, document: doc.Document, folder: Path) -> None:
        self._document = document
        self._folder = folder

    def filled(self, model: Model, data: dict[str, object], path: doc.Path) -> dict[str, object]:
        """Return the data with every `<key>_file` replaced by `<key>` and what the file holds."""
        found = dict(data)
        for key in secrets(model):
            self._fill(key, found, path)
        for key, info in fields(model):
            if holds_secrets(info.annotation) and Careful not in info.metadata:
                self._note(found.get(key), (*path, key))
            inner = nested(info.annotation)
            if inner and key in found:
                found[key] = self._inside(inner, found[key], (*path, key))
        return found

    def _inside(self, model: Model, value: object, path: doc.Path) -> object:
        if isinstance(value, dict):
            return self.filled(model, value, path)
        if isinstance(value, list):
            return [self._inside(model, item, (*path, i)) for i, item in enumerate(value)]
        return value

    def _fill(self, key: str, data: dict[str, object], path: doc.Path) -> None:
        twin = key + FILE
        for variable in self._document.unset.pop((*path, key), []):
            self._document.fail((*path, key), f"{unset(variable)}, or write {twin}")
        if twin not in data:
            return
        name = data.pop(twin)
        place = (*path, twin)
        self._document.values[*path, key] = self._document.values.get(place) or doc.Place(1, 1)
        if key in data:
            self._document.fail(place, f"{key} and {twin} are both set: remove one of them", key=True)
            return
        text, trouble = self._read(name)
        if trouble and place not in self._document.broken:
            self._document.fail(place, trouble)
        self._document.broken |= {(*path, key)} if trouble else set()
        self._document.variables[*path, key] = []
        data[key] = text

    def _read(self, name: object) -> tuple[str, str]:
        if not isinstance(name, str):
            return "", "has to be the path of a file"
        try:
            content = (self._folder / name).read_bytes()
            text = content.decode().rstrip("\r\n")
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is no UTF-8 text"
            return (
                "",
                f'can\'t read the secret from "{self._folder / name}" ({why}): check the path and who may read it',
            )
        if not text or len(content) > LARGEST:
            return "", f'"{self._folder / name}" is {"too large" if text else "empty"}: write the secret into it'
        return text, ""

    def _note(self, value: object, path: doc.Path, *, has_twin: bool = True) -> None:
        """Remember secrets, to keep them out of messages, and warn of those that the config itself shows."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                self._note(item, (*path, index))
        if isinstance(value, dict):
            for name, item in value.items():
                if _TELLING.search(str(name)):
                    self._note(item, (*path, name), has_twin=False)
        if not isinstance(value, str) or not value:
            return
        self._document.secrets.add(value)
        if path not in self._document.variables and path not in self._document.broken:
            twin = f" or {path[-1]}{FILE}" if has_twin else ""
            self._document.warn(path, f"a secret stands here for all to read: write ${{NAME}}{twin}")
