"""Operators' templates: what could run or swell for ever is refused when the config is read, in no time."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from bridge.domain.incident import Incident
from bridge.sinks.jira.fields import render
from bridge.sinks.jira.options import JiraOptions
from tests.security.shown import incident_of
from tests.strategies import alert

BOMBS = [
    "{{ 'a' * 10**9 }}",
    "{{ '%0900000000d' % 1 }}",
    "{{ 9**9**9 }}",
    "{{ 'a' | center(10**9) }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ range(10**9) | list }}",
    "{{ lipsum(n=100000) }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ labels.__class__.__init__.__globals__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% set x = 'aaaaaaaaaa' %}",
    "{{ details | replace('a', 'aaaaaaaaaaaaaaaaaaaa') | replace('a', 'aaaaaaaaaaaaaaaaaaaa') }}",
    "{{ details | wordwrap(1) | indent(1000000) }}",
    "{{ ['a', 'b'] | join('x') }}",
    "{{ details | batch(2) | list }}",
    "{" * 5000,
    "{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}",
    "{{ " + "-" * 3000 + "1 }}",
    "{{ 'x' " + "~ 'x' " * 3000 + "}}",
]
GOOD = {"url": "https://example.atlassian.net", "user": "bot@example.com", "project": "OPS", "token": "t"}


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:40])
def test_a_template_bomb_fails_fast(bomb: str) -> None:
    incident = incident_of([alert(details="a" * 30_000)])
    assert incident is not None
    began = time.thread_time()
    shown = filled(bomb, incident)

    assert time.thread_time() - began < 1
    assert len(shown) <= 30_000
    assert "object at" not in shown
    assert "class" not in shown


def filled(template: str, incident: Incident) -> str:
    """What a config with this template puts into the field; empty if it is refused."""
    try:
        options = JiraOptions.model_validate({**GOOD, "fields": {"customfield_1": template}})
        return str(render(options.fields["customfield_1"], incident))
    except ValueError:
        return ""


@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS if "*" in bomb or "%" in bomb or ".format" in bomb])
def test_what_could_run_for_ever_is_refused_with_the_config(bomb: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a template: (no|there is no filter) "):
        JiraOptions.model_validate({**GOOD, "fields": {"customfield_1": bomb}})


def test_what_templates_are_for_still_works() -> None:
    incident = incident_of([alert(service="checkout", labels={"team": "a|b", "items": "own", "k8s.pod": "p"})])
    assert incident is not None
    shown = {
        "{{ service }}-{{ labels.team | wiki }}": r"checkout-a\|b",
        "{{ labels.items }}": "own",
        "{{ labels['k8s.pod'] }}": "p",
        "{{ labels.lead | default('ops') }}": "ops",
        "{% if labels.lead %}x{% else %}nobody{% endif %}": "nobody",
        "{{ count + 1 }} {{ severity | upper }} {{ title[:4] }}": "2 ERROR Zero",
        "no template": "no template",
    }
    for template, text in shown.items():
        JiraOptions.model_validate({**GOOD, "fields": {"customfield_1": template}})
        assert render(template, incident) == text
