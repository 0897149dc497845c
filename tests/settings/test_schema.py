"""The JSON schema for editors; `python -m tests.settings.test_schema` writes config/bridge.schema.json anew."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # of check-jsonschema

from bridge.settings import schema
from bridge.wiring import kinds
from tests.settings.configs import ENVIRON, with_small

CONFIG = Path(__file__).parents[2] / "config"
FILE = CONFIG / "bridge.schema.json"


def written() -> str:
    return json.dumps(schema(kinds()), indent=1, ensure_ascii=False) + "\n"


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema(kinds()))


def complaints(text: str) -> list[str]:
    return [error.message for error in validator().iter_errors(yaml.safe_load(text))]


def test_the_schema_is_current() -> None:
    assert FILE.read_text() == written(), "run python -m tests.settings.test_schema"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema(kinds()))


@pytest.mark.parametrize(
    "path", [*sorted(CONFIG.glob("examples/*.yaml")), CONFIG / "bridge.yaml"], ids=lambda p: p.stem
)
def test_the_shipped_configs_pass_and_name_the_schema(path: Path) -> None:
    text = path.read_text()
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == FILE.resolve()
    assert complaints(text) == []


@pytest.mark.parametrize(
    "more",
    [
        "receiver: {max_body: '${SIZE}'}",
        "log: {level: '${LEVEL:-info}'}",
        "incidents: {reopen_within: '${X}', retention: 1w2d}",
        "links:\nroutes:\nscrub:\nlog:\n",
        "x-anything: {goes: here}",
        "redis: {url_file: /run/secrets/redis}",
    ],
)
def test_what_the_loader_takes_the_schema_takes(more: str) -> None:
    assert complaints(with_small(more)) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("link: []", "'link' does not match any of the regexes"),
        ("log: {level: loud}", "is not valid under any of the given schemas"),
        ("incidents: {retention: 5 minutes}", "is not valid under any of the given schemas"),
        ("links: [{kind: jeager}]", "'jeager' is not one of"),
        ("links: [{kind: jaeger, label: x}]", "'url' is a required property"),
        ("routes: [{match: [a=b]}]", "'to' is a required property"),
        ("routes: [{to: oncall}]", "'oncall' is not of type 'array'"),
    ],
)
def test_what_is_wrong_the_schema_finds(more: str, said: str) -> None:
    found = complaints(with_small(more))
    assert found
    assert said in " ".join(found)


def test_a_required_secret_may_come_from_a_file_but_not_be_missing() -> None:
    assert complaints(with_small("").replace('client_secret: "${SECRET}"', "client_secret_file: x")) == []
    assert complaints(with_small("").replace(', client_secret: "${SECRET}"', "")) != []


def test_a_destination_takes_its_threshold_and_nothing_unknown() -> None:
    assert complaints(with_small("").replace("C0ONCALL}", "C0ONCALL, min_severity: error, for: 5m}")) == []
    assert complaints(with_small("").replace("channel", "chanel")) != []


def test_options_are_described_and_defaults_are_written_as_in_the_config() -> None:
    made: dict[str, Any] = schema(kinds())
    incidents = made["$defs"]["Incidents"]["properties"]
    assert incidents["retention"]["default"] == "30d"
    assert incidents["retention"]["description"] == "How long resolved incidents are kept; at least `reopen_within`."
    assert made["$defs"]["destination.slack"]["properties"]["for"]["default"] == "0s"


def test_no_secret_of_the_environment_gets_into_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert not [value for value in ENVIRON.values() if value in written()]


if __name__ == "__main__":
    FILE.write_text(written())
