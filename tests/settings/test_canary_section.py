"""The section `canary`: only destinations that can take a message back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge import wiring
from bridge.settings import ConfigError, Settings, parse

DESTINATIONS = """
sources: {%s: {kind: sentry, client_secret: s3cret}}
destinations:
  oncall: {kind: slack, token: "%s", channel: C0ONCALL}
  hook: {kind: slack, webhook_url: "https://hooks.slack.com/services/T0/B0/x"}
  tickets: {kind: jira, url: "https://jira.example.com", token: t0ken, project: OPS}
canary: %s
"""


def read(canary: str, source: str = "sentry", token: str = "xoxb-1") -> Settings:
    text = DESTINATIONS % (source, token, canary)
    return parse(text.encode(), Path("bridge.yaml"), wiring.kinds(), {"REDIS_URL": "redis://localhost/0"})


def wrong(canary: str, source: str = "sentry") -> str:
    with pytest.raises(ConfigError) as refusal:
        read(canary, source)
    return str(refusal.value)


def test_a_name_is_enough() -> None:
    canary = read("{to: [oncall]}").general.canary
    assert canary is not None
    assert (canary.every, canary.within, canary.keep) == (timedelta(minutes=5), timedelta(minutes=1), False)


@pytest.mark.parametrize(
    ("canary", "said"),
    [
        ("{to: [tickets]}", 'bridge.yaml:7:15  canary.to[0]: "tickets" can\'t take back what it was told'),
        ("{to: [oncall, hook]}", 'canary.to[1]: "hook" can\'t take back'),
        ("{to: [onclal]}", 'canary.to[0]: there is no destination "onclal". Did you mean "oncall"?'),
        ("{to: []}", "canary.to"),
        ("{}", "canary.to"),
        ("{to: [oncall], every: 1m, within: 1m}", "within has to be shorter than every"),
        ("{to: [oncall], every: 1s}", "canary.every"),
        ("{to: [oncall], evry: 1m}", 'Did you mean "every"?'),
        ("{to: [oncall], secret: s3cr3t-4}", "too short to be secret"),
        ("{to: [oncall], url: ftp://x}", "canary.url"),
    ],
)
def test_a_mistake_is_told_where_it_is(canary: str, said: str) -> None:
    assert said in wrong(canary)


def test_its_sources_name_is_taken_only_while_there_is_one() -> None:
    assert '"canary" is the name of the canary\'s own source' in wrong("{to: [oncall]}", "canary")
    assert list(read("", "canary").sources) == ["canary"]


def test_the_secret_is_made_of_the_destinations_or_its_own() -> None:
    def key(canary: str, token: str) -> bytes:
        source = wiring.canary(read(canary, token=token))
        assert source is not None
        return source._key

    assert key("{to: [oncall]}", "xoxb-1") == key("{to: [oncall]}", "xoxb-1") != key("{to: [oncall]}", "xoxb-2")
    own = "{to: [oncall], secret: 0123456789abcdef}"
    assert key(own, "xoxb-1") == key(own, "xoxb-2")


def test_it_goes_where_senders_go_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "9090")
    given = read("{to: [oncall]}\npublic_url: https://alerts.example.com")
    assert wiring.canary_url(given) == "https://alerts.example.com/hooks/canary"
    assert wiring.canary_url(read("{to: [oncall]}")) == "http://127.0.0.1:9090/hooks/canary"
    assert wiring.canary_url(read("{to: [oncall], url: 'http://web:8080/'}")) == "http://web:8080/hooks/canary"
