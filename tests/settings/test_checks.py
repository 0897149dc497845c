"""The section `checks`: plans with defaults, and mistakes named with their place."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.domain.alert import Severity
from bridge.domain.checkup import Policy
from bridge.settings.checks import PlanOptions
from tests.settings.configs import problems, settings, with_small


def plan(text: str = "") -> PlanOptions:
    """Return the plan of a check with these options."""
    entry = f"checks: {{shop: {{url: 'https://shop.example.com', {text}}}}}\n"
    return settings(with_small(entry)).checks["shop"].plan


def mistakes(text: str) -> list[str]:
    return problems(with_small(f"checks:\n  shop:\n    url: https://shop.example.com\n    {text}\n"))


def test_a_check_needs_no_more_than_an_address() -> None:
    found = settings(with_small("checks: {shop: {url: 'https://shop.example.com'}}\n")).checks["shop"]

    assert found.kind == "http"
    assert (found.plan.every, found.plan.within) == (timedelta(minutes=1), timedelta(seconds=10))
    assert (found.plan.policy, found.plan.severity) == (Policy(fails=3, of=3, goods=1), Severity.CRITICAL)


@pytest.mark.parametrize("section", ["", "checks:\n", "checks: {}\n"])
def test_there_need_not_be_any(section: str) -> None:
    assert settings(with_small(section)).checks == {}


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("fail_after: 1", Policy(fails=1, of=1, goods=1)),
        ('fail_after: "4"', Policy(fails=4, of=4, goods=1)),
        ("fail_after: 3 of 5", Policy(fails=3, of=5, goods=3)),
        ("fail_after: 3 of the last 5", Policy(fails=3, of=5, goods=3)),
        ("fail_after: 3 of 5, recover_after: 1", Policy(fails=3, of=5, goods=1)),
        ("fail_after: 2, recover_after: 10", Policy(fails=2, of=2, goods=10)),
    ],
)
def test_when_it_fires_and_when_it_is_resolved(written: str, policy: Policy) -> None:
    assert plan(written).policy == policy


def test_a_short_interval_shortens_the_default_timeout() -> None:
    assert plan("every: 5s").within == timedelta(seconds=5)
    assert plan("every: 5s, timeout: 300ms").within == timedelta(milliseconds=300)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("fail_after: 5 of 3", "has to be from 1 to 60 runs"),
        ("fail_after: 0", "has to be from 1 to 60 runs"),
        ("fail_after: 99999", "has to be a number of runs in a row"),
        ("fail_after: true", "has to be a number of runs in a row"),
        ("fail_after: [3, 5]", 'or of the last ones, as in "3 of 5"'),
        ("every: 500ms", "checks.shop.every: has to be greater than or equal to 1s"),
        ("every: 10", '"10" is not a duration'),
        ("timeout: 2m", "checks.shop: timeout is longer than every"),
        ("evry: 10s", 'there is no option "evry" here. Did you mean "every"?'),
        ("kind: htpp", 'there is no kind "htpp" here. Did you mean "http"?'),
        ("severity: bad", "has to be one of: info, warning, error, critical"),
        ("runbook: wiki/page", "is not an address people can open: write https://host/page"),
        ("labels: {team: 7}", "checks.shop.labels.team: has to be a text, and YAML reads a number"),
    ],
)
def test_mistakes_are_named_with_what_to_do(written: str, complaint: str) -> None:
    (found,) = mistakes(written)

    assert complaint in found


def test_names_are_held_to_the_same_rule_as_others() -> None:
    (found,) = problems(with_small("checks: {'my shop': {url: 'https://shop.example.com'}}\n"))
    assert "a name has letters, digits, - and _ only" in found


def test_a_check_that_is_no_map_is_told() -> None:
    (found,) = problems(with_small("checks: {shop: 'https://shop.example.com'}\n"))
    assert "has to be a map: write " in found


def test_no_source_may_have_the_name_of_the_checks() -> None:
    (found,) = problems(
        'sources: {checks: {kind: sentry, client_secret: "${SECRET}"}}\n'
        'destinations: {oncall: {kind: slack, token: "${TOKEN}", channel: C0ONCALL}}\n'
    )
    assert '"checks" is what speaks of the bridge\'s own checks: give it another name' in found
