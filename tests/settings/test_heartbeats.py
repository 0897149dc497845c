"""Heartbeats in the config, and every mistake in them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from bridge import wiring
from bridge.domain.alert import Severity
from bridge.settings.fields import keys
from bridge.settings.heartbeats import HeartbeatOptions, LivenessOptions
from tests.settings.configs import ENVIRON, problems, settings, warnings, with_small

KEYS = ENVIRON | {"KEY": "0123456789abcdef", "OTHER": "fedcba9876543210"}
ALERTMANAGER = "sources: {alertmanager: {kind: alertmanager, bearer_token: x}}\n"
WHOLE = """\
    timezone: Asia/Seoul
    heartbeats:
      backup: {key: "${KEY}", cron: "@daily", grace: 1h, severity: critical, service: db, labels: {team: data}}
      billing: {key: "${OTHER}", period: 1h}
      prometheus: {alert: {source: sentry, match: ['alertname="Watchdog"']}, period: 5m}
    """


def one(text: str) -> list[str]:
    """Return what is wrong with a heartbeat."""
    return problems(with_small(f"heartbeats:\n  backup: {text}\n"), KEYS)


def test_a_right_one_becomes_a_plan() -> None:
    found = settings(with_small(WHOLE), KEYS)
    backup, billing, prometheus = wiring.plans(found)
    assert (backup.name, backup.cron, backup.timezone) == ("heartbeat:backup", "0 0 * * *", "Asia/Seoul")
    assert (backup.grace, backup.severity, backup.labels) == (timedelta(hours=1), Severity.CRITICAL, {"team": "data"})
    assert (billing.every, billing.grace, billing.severity) == (
        timedelta(hours=1),
        timedelta(minutes=5),
        Severity.ERROR,
    )
    dog = found.heartbeats["prometheus"].watchdog("prometheus")
    assert dog is not None
    assert (dog.name, dog.source) == (prometheus.name, "sentry")


def test_a_source_may_have_to_speak_now_and_then() -> None:
    text = with_small("").replace("kind: sentry,", "kind: sentry, expect_every: 2h,")
    (plan,) = wiring.plans(settings(text))
    assert (plan.name, plan.every, plan.grace) == ("source:sentry", timedelta(hours=2), timedelta())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{key: '${KEY}'}", "needs either period, as in 1h, or cron"),
        ("{key: '${KEY}', period: 1h, cron: '@daily'}", "needs either period, as in 1h, or cron"),
        ("{period: 1h}", "needs either key (for /ping/<key>) or alert"),
        ("{key: '${KEY}', period: 1h, timezone: UTC}", "timezone is for cron, and there is none"),
        ("{key: '${KEY}', cron: '0 25 * * *'}", '"0 25 * * *" is no cron expression (bad hour): write minute, hour'),
        ("{key: '${KEY}', cron: '0 3 *'}", "(wrong number of fields)"),
        ("{key: '${KEY}', cron: '0 0 31 2 *'}", "(bad day-of-month)"),
        ("{key: '${KEY}', cron: '@daily', timezone: Asia/Seol}", 'there is no timezone "Asia/Seol". Did you mean'),
        ("{key: short, period: 1h}", "is no key: 16 to 128 letters, digits, - and _"),
        ("{key: 'with a/slash and spaces', period: 1h}", "is no key"),
        ("{key: '${KEY}', period: 0s}", "has to be greater than or equal to"),
        ("{key: '${KEY}', perod: 1h}", 'there is no option "perod" here. Did you mean "period"?'),
        ("{alert: {source: sentri, match: [a=b]}, period: 1h}", 'there is no source "sentri". Did you mean "sentry"?'),
        ("{alert: {source: zzz, match: [a=b]}, period: 1h}", 'there is no source "zzz". There are: sentry'),
        ("{alert: {source: sentry, match: []}, period: 1h}", "has too few items"),
        ("{alert: {source: sentry, match: ['a=\"']}, period: 1h}", "expected a second double quote"),
        ("1h", "period: 1h}"),
        ("{key: '${KEY}', period: 1h, runbook: wiki}", "is not an address"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    (problem,) = one(text)
    assert said in problem
    assert problem.startswith("6:")
    assert "heartbeats.backup" in problem


def test_a_key_that_is_used_twice_is_not_shown() -> None:
    text = 'heartbeats:\n  a: {key: "${KEY}", period: 1h}\n  b: {key: "${KEY}", period: 1h}\n'
    assert problems(with_small(text), KEYS) == [
        "7:12  heartbeats.b.key: is that of heartbeats.a too: each needs its own"
    ]


def test_a_key_in_clear_is_warned_of_and_may_come_from_a_file() -> None:
    (warning,) = warnings(with_small("heartbeats: {a: {key: 0123456789abcdef, period: 1h}}"))
    assert "a secret stands here for all to read: write ${NAME} or key_file" in warning
    (problem,) = problems(with_small("heartbeats: {a: {key_file: /run/none, period: 1h}}"))
    assert "can't read the secret" in problem


@pytest.mark.parametrize(("name", "what"), [("heartbeats", "heartbeats"), ("alert-bridge", "the bridge's own trouble")])
def test_the_name_of_what_speaks_of_the_bridges_own_findings_is_reserved(name: str, what: str) -> None:
    text = with_small("").replace("  sentry:", f"  {name}:", 1)
    (problem,) = problems(text)
    assert f'sources.{name}: "{name}" is what speaks of {what}: give it another name' in problem


def test_nothing_under_the_section_is_no_heartbeats() -> None:
    assert settings(with_small("heartbeats:\n")).heartbeats == {}


def test_the_page_names_every_option_and_what_it_shows_is_right() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "heartbeats.md").read_text()
    assert not [key for model in (HeartbeatOptions, LivenessOptions) for key in keys(model) if f"`{key}" not in page]
    for shown in re.findall(r"```yaml\n((?:heartbeats|sources):.*?)```", page, re.DOTALL):
        text = shown if shown.startswith("sources") else ALERTMANAGER + shown
        destinations = 'destinations: {oncall: {kind: slack, token: "${TOKEN}", channel: C0ONCALL}}\n'
        environ = ENVIRON | {"NIGHTLY_BACKUP_KEY": KEYS["KEY"], "SENTRY_CLIENT_SECRET": "s"}
        assert wiring.plans(settings(destinations + text, environ))


def test_the_commented_example_of_the_first_config_is_right() -> None:
    text = (Path(__file__).parents[2] / "config" / "bridge.yaml").read_text()
    section = text[text.index("# heartbeats:") : text.index("# Which incident goes where")]
    shown = "\n".join(line.removeprefix("# ") for line in section.splitlines())
    assert sorted(settings_of(shown)) == ["nightly-backup", "prometheus"]


def settings_of(section: str) -> list[str]:
    """Return the heartbeats of a section."""
    destinations = 'destinations: {oncall: {kind: slack, token: "${TOKEN}", channel: C0ONCALL}}\n'
    return list(settings(destinations + ALERTMANAGER + section, KEYS | {"NIGHTLY_BACKUP_KEY": KEYS["KEY"]}).heartbeats)
