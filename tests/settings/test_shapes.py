"""A bare address, a word or a list where something else has to stand: each is told what to write instead."""

from __future__ import annotations

import pytest
import yaml

from bridge.settings import ConfigError
from bridge.settings.fields import Model
from bridge.settings.shapes import sketch
from bridge.wiring import kinds
from tests.settings.configs import problems, settings, with_small

SHOP = "shop: {url: https://shop.example.com/health}"
SLACK = 'oncall: {kind: slack, token: "${SLACK_BOT_TOKEN}", channel: C0ONCALL}'
RESTART = '{kind: webhook, url: "${RESTART_URL}", secret: "${RESTART_SECRET}"}'
WATCHDOG = "{source: alertmanager, match: ['alertname=Watchdog']}"
ENTRIES = [
    (kind, model) for known in (kinds().sources, kinds().destinations, kinds().checks, kinds().recovery)
    for kind, model in known.items()
]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("checks: {shop: https://a.example.com}", f"checks.shop: has to be a map: write {SHOP}; there are also"),
        ("checks: https://a.example.com", f"checks: has to be a map of names, as in checks: {{{SHOP}}}"),
        ("checks: [https://a.example.com]", f"checks: has to be a map of names, as in checks: {{{SHOP}}}"),
        ("checks: {shop: [https://a, https://b]}", f"checks.shop: has to be a map: write {SHOP}"),
        ("checks: {shop: }", f"checks.shop: is empty: write {SHOP}; there are also the kinds tcp, dns, tls"),
        ("checks: {db: 'db:5432'}", "checks.db: has to be a map: write db: {kind: tcp, host: db.example.com, port: 5"),
        ("checks: {dns: a.example.com}", "checks.dns: has to be a map: write dns: {kind: dns, name: shop.example.com}"),
        ("heartbeats: {b: 1h}", 'heartbeats.b: has to be a map: write b: {key: "${BACKUP_KEY}", period: 1h}'),
        ("heartbeats: {b: '30 3 * * *'}", 'write b: {key: "${BACKUP_KEY}", cron: "30 3 * * *"}'),
        ("heartbeats: {b: s3cret-of-the-backup}", 'write b: {key: "${BACKUP_KEY}", period: 1d}'),
        ("heartbeats: {b: }", "heartbeats.b: is empty: write b: {key: "),
        ("heartbeats: [b]", "heartbeats: has to be a map of names, as in heartbeats: {nightly-backup: {key: "),
        ("heartbeats: {b: {alert: Watchdog, period: 5m}}", f"heartbeats.b.alert: has to be a map: write {WATCHDOG};"),
        ("recovery: {r: https://a.example.com}", f"recovery.r: has to be a map: write r: {RESTART}; there are also"),
        ("recovery: [r]", f"recovery: has to be a map of names, as in recovery: {{restart-shop: {RESTART}}}"),
        ("routes: oncall", "routes: has to be a list, as in routes: [{match: ['severity=critical'], to: [oncall]}]"),
        ("routes: [oncall]", "routes[0]: has to be a map: write {match: ['severity=critical'], to: [oncall]}"),
        ("routes: [{to: oncall}]", "routes[0].to: has to be a list: write [ ] around it, or a - before each item, as"),
        ("routes: [{to: [oncall], match: {a: b}}]", "routes[0].match: has to be a list, and not a map, as in ['sever"),
        ("routes: [{to: [oncall], match: [{a: b}]}]", "match[0]: has to be a text, and not a map, as in 'severity=cr"),
        ("routes: [{to: [oncall], recover: r}]", "routes[0].recover: has to be a list: write [ ] around it, or a - b"),
        ("links: https://jaeger", "links: has to be a list, as in links: [{label: Trace, kind: jaeger, url: https://"),
        ("canary: oncall", "canary: has to be a map: write {to: [oncall]}; the keys are to, every"),
        ("self_watch: https://hc", 'self_watch: has to be a map: write {heartbeat_url: "${HEARTBEAT_URL}"}; the keys'),
        ("link_window: 30m", "link_window: has to be a map: write key: value; the keys are before, after"),
        ("receiver: {journal: 1GiB}", "receiver.journal: has to be a map: write key: value; the keys are max_size"),
        ("scrub: [password]", "scrub: has to be a map: write key: value; the keys are private_key"),
        ("checks: {a: {url: https://a.b, json: {x: {y: 1}}}}", "has to be a text, a number, true or false, and not a"),
    ],
)  # fmt: skip
def test_a_bare_value_is_told_what_to_write(more: str, said: str) -> None:
    (found,) = problems(with_small(f"{more}\n"))
    assert said in found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("oncall: C0ONCALL", f"destinations.oncall: has to be a map: write {SLACK}; there is also the kind jira"),
        ("oncall: slack", f"destinations.oncall: has to be a map: write {SLACK}"),
        (
            "tickets: jira",
            "write tickets: {kind: jira, url: https://example.atlassian.net, user: bot@example.com, token: ",
        ),
        (
            "oncall: {token: x, channel: C0ONCALL}",
            "destinations.oncall.kind: kind is missing. Did you mean kind: slack?",
        ),
        ("oncall: {kind: slack, url: 'https://h'}", 'there is no option "url" here. Did you mean "webhook_url"?'),
    ],
)
def test_a_bare_destination_is_told_what_to_write(given: str, said: str) -> None:
    found = problems(f"sources: {{s: {{kind: sentry, client_secret: abcdefgh}}}}\ndestinations: {{{given}}}\n")
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("checks: {a: {url: https://a.b, interval: 5s}}", 'no option "interval" here. Did you mean "every"?'),
        (
            "checks: {a: {host: a.example.com, port: 1}}",
            '"port" is no option of this kind, but of tcp, tls: change the',
        ),
        ("checks: {a: {url: https://a.b, to: [oncall]}}", "Who hears of it is decided in routes"),
        ("checks: {a: {kind: https, url: https://a.b}}", 'there is no kind "https" here. Did you mean "http"?'),
        ("recovery: {r: {kind: k8s}}", 'there is no kind "k8s" here. Did you mean "kubernetes"?'),
        ("heartbeats: {b: {key: s3cret-of-the-backup, every: 1h}}", 'no option "every" here. Did you mean "period"?'),
        ("routes: [{match: [], destinations: [oncall]}]", 'no option "destinations" here. Did you mean "to"?'),
        (
            "heartbeat_url: https://a",
            '"heartbeat_url" is an option of self_watch: write self_watch: {heartbeat_url: …}',
        ),
        ("monitors: {}", 'there is no section "monitors". Did you mean "checks"?'),
        ("port: 8080", "Where the receiver listens is in the environment: HOST and PORT"),
        ("receiver: {port: 8080}", "Where the receiver listens is in the environment: HOST and PORT"),
        ("redis_url: x", 'there is no section "redis_url". Did you mean "redis: {url: …}"?'),
        ("timezone: KST", 'there is no timezone "KST". Write one such as Asia/Seoul or UTC'),
    ],
)
def test_what_other_tools_call_otherwise_is_told_by_its_name_here(more: str, said: str) -> None:
    found = problems(with_small(f"{more}\n"))
    assert any(said in line for line in found), found


@pytest.mark.parametrize(("kind", "model"), ENTRIES, ids=[kind for kind, _ in ENTRIES])
def test_what_is_said_to_write_has_the_shape_that_is_needed(kind: str, model: Model) -> None:
    written = yaml.safe_load(sketch(model, kind))
    assert written.pop("kind") == kind
    assert written.keys() <= {info.alias or name for name, info in model.model_fields.items()}


def test_following_what_is_said_of_a_check_gives_a_right_config() -> None:
    (said,) = problems(with_small("checks: {shop: https://shop.example.com/health}\n"))
    advice = said.partition("write ")[2].partition(";")[0]
    assert list(settings(with_small(f"checks: {{{advice}}}\n")).checks) == ["shop"]


def test_no_value_that_may_be_a_secret_is_repeated() -> None:
    for more in (
        "recovery: {r: https://hooks/s3cret}",
        "heartbeats: {b: s3cret-of-the-backup}",
        "redis: redis://:s3cret@h",
    ):
        with pytest.raises(ConfigError) as refused:
            settings(with_small(f"{more}\n"))
        assert "s3cret" not in str(refused.value)
