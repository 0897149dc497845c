"""The config's own secrets are recognised in what others say, in the forms in which they travel."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from bridge import wiring
from bridge.settings.mask import SHOWN, Mask

SECRET = 'Pa/ss "w" örd'
CONFIG = """
sources: {sentry: {kind: sentry, client_secret: "${CLIENT}"}}
destinations: {tickets: {kind: jira, url: "https://jira.example.com", user: bot, token_file: token, project: OPS}}
"""


@pytest.mark.parametrize("form", [SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], 'Pa/ss \\"w\\" örd'])
def test_a_secret_is_found_as_it_is_in_an_address_and_in_json(form: str) -> None:
    assert Mask([SECRET])(f"no user with {form}, nor {form}") == f"no user with {SHOWN}, nor {SHOWN}"


def test_basic_authentication_with_a_secret_in_it_is_masked_and_other_words_stay() -> None:
    mask, proof = Mask([SECRET]), base64.b64encode(f"bot:{SECRET}".encode()).decode()

    assert mask(f"header 'Authorization: Basic {proof}' refused") == f"header 'Authorization: Basic {SHOWN}' refused"
    for harmless in ("a basic misunderstanding", "basic YWJjZDplZmdo is somebody else's"):
        assert mask(harmless) == harmless


def test_of_two_secrets_that_begin_alike_nothing_stays() -> None:
    assert Mask(["secret-one", "secret-one-and-more"])("x secret-one-and-more x secret-one") == f"x {SHOWN} x {SHOWN}"


def test_a_short_secret_is_not_looked_for_in_words() -> None:
    assert Mask(["abc", ""])("the abc of it") == "the abc of it"


def test_of_an_address_only_what_is_secret_is_masked() -> None:
    mask = Mask(
        ["redis://user:hunter2hunter2@store:6379/0", "https://hooks.slack.com/services/T0/B0/x9y8z7", "x://[bad"]
    )

    assert mask("can't connect to store:6379 with hunter2hunter2") == f"can't connect to store:6379 with {SHOWN}"
    assert mask("POST /services/T0/B0/x9y8z7 failed") == f"POST /{SHOWN} failed"
    assert mask("unix:///data/store.sock, redis://store:6379/0") == "unix:///data/store.sock, redis://store:6379/0"


def test_a_word_that_ends_a_secret_address_stays_a_word_elsewhere() -> None:
    mask = Mask(["https://ops.example.com/restart"])

    assert mask("restart-checkout: POST https://ops.example.com/restart") == f"restart-checkout: POST {SHOWN}"


def test_secrets_are_found_at_any_depth() -> None:
    given = {"a": [{"b": ("x", f"y {SECRET}")}], "n": 1}

    assert Mask([SECRET]).inside(given) == {"a": [{"b": ["x", f"y {SHOWN}"]}], "n": 1}


def test_the_mask_of_a_config_knows_all_its_secrets_and_shows_none(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text(CONFIG)
    (tmp_path / "token").write_text("token-of-a-file\n")
    store, dsn = "redis://:hunter2hunter2@127.0.0.1:1/0", "https://publickey@sentry.example.com/1"
    environ = {"CLIENT": "client-secret", "REDIS_URL": store, "SENTRY_DSN": dsn}
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(tmp_path / "bridge.yaml"), **environ})

    said = f"client-secret token-of-a-file hunter2hunter2 {dsn}"
    assert settings.mask(said) == " ".join([SHOWN] * 4)
    parts = wiring.parts(settings, wiring.celery(settings))
    assert parts.mask("token-of-a-file") == SHOWN
    assert not any(secret in repr(settings) for secret in said.split())
