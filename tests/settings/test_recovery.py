"""The section `recovery`, and the routes that name its actions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge import wiring
from bridge.domain.recovery import Guard
from bridge.settings import ConfigError, Settings, parse

SECTION = "recovery:\n  restart: {kind: kubernetes, namespace: shop, deployment: api}\n"
CONFIG = f"""
sources: {{sentry: {{kind: sentry, client_secret: s3cr3t-s3cr3t}}}}
destinations: {{oncall: {{kind: slack, token: xoxb-1-2-abcdefghij, channel: C0ONCALL}}}}
{SECTION}routes:
  - {{match: [service=api], to: [oncall], recover: [restart]}}
  - to: [oncall]
"""


def load(*changes: tuple[str, str]) -> Settings:
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse(text.encode(), Path("bridge.yaml"), wiring.kinds(), {})


def mistakes(*changes: tuple[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*changes)
    return str(caught.value)


def test_an_action_is_a_dry_run_that_waits_unless_it_is_said_otherwise() -> None:
    settings = load()

    assert settings.recovery["restart"].guard == Guard(
        dry_run=True,
        after=timedelta(minutes=5),
        cool_down=timedelta(minutes=15),
        per_hour=3,
        per_incident=3,
    )
    assert settings.routes[0].recover == ("restart",)
    assert not [one for one in settings.warnings if "recover" in one.path]


def test_without_the_section_there_is_nothing_to_try() -> None:
    settings = load(
        (SECTION, ""),
        (", recover: [restart]", ""),
    )

    assert not settings.recovery


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("[restart]", "[restrat]"),
            'routes[0].recover[0]: there is no recovery action "restrat". Did you mean "restart"?',
        ),
        (("kind: kubernetes", "kind: kubernets"), 'there is no kind "kubernets" here. Did you mean "kubernetes"?'),
        (("deployment: api", "deployment: api, dryrun: false"), 'Did you mean "dry_run"?'),
        (("deployment: api", "deployment: api, after: 5"), "recovery.restart.after"),
        (("deployment: api", "deployment: api, per_hour: 0"), "recovery.restart.per_hour"),
        (("deployment: api", "deployment: API"), "is not a name of a workload"),
        (("  restart: {kind", "  re start: {kind"), "a name has letters (A to Z), digits"),
    ],
)
def test_a_mistake_is_named_with_its_place(change: tuple[str, str], said: str) -> None:
    assert said in mistakes(change)


def test_an_action_that_is_nowhere_is_told_to_be_added() -> None:
    assert "There is none: add one under recovery:" in mistakes((SECTION, ""))


def test_what_runs_against_anything_and_what_never_runs_is_warned_of() -> None:
    anything = load(("match: [service=api], ", ""), ("  - to: [oncall]\n", ""))
    never = load((", recover: [restart]", ""))

    assert any("runs against any incident whatever" in one.message for one in anything.warnings)
    assert any("no route asks for it" in one.message for one in never.warnings)
