"""A config becomes settings, or all that is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.domain.alert import Severity
from bridge.domain.routing import Route, Threshold, parse_matchers
from bridge.settings import ConfigError, Secret, config_path, load
from bridge.settings.address import UNKNOWN
from bridge.wiring import kinds
from tests.settings.configs import ENVIRON, problems, settings, warnings, with_small


def test_five_mistakes_are_named_all_at_once_each_with_its_line() -> None:
    found = problems("""\
        timezone: Asia/Seol
        sources:
          web: {kind: sentry, client_secret: "${K}"}
        destinations:
          oncall:
            kind: slack
            token: ${TOKEN}
            chanel: C0ONCALL
            channel: C0ONCALL
            min_count: often
        routes:
          - match: [severity=critical]
            to: [onclal]
    """)
    assert found == [
        '1:11  timezone: there is no timezone "Asia/Seol". Did you mean "Asia/Seoul"?',
        "3:38  sources.web.client_secret: the environment variable K is not set: set it, or write client_secret_file",
        '8:5  destinations.oncall.chanel: there is no option "chanel" here. Did you mean "channel"?',
        '10:16  destinations.oncall.min_count: has to be a whole number, and not "often"',
        '13:10  routes[0].to[0]: there is no destination "onclal". Did you mean "oncall"?',
    ]


def test_the_text_of_the_error_has_a_line_for_each_problem_with_the_file() -> None:
    with pytest.raises(ConfigError) as refusal:
        settings(with_small("timezone: 5\nlink_windw: {}\n"))
    assert str(refusal.value).splitlines() == [
        "bridge.yaml:5:11  timezone: has to be a name such as Asia/Seoul or UTC",
        'bridge.yaml:6:1  link_windw: there is no section "link_windw". Did you mean "link_window"?',
    ]


def test_what_is_left_out_has_its_default() -> None:
    found = settings(with_small(""))
    assert found.timezone == ZoneInfo("UTC")
    assert found.public_url == ""
    assert found.link_window.before == found.link_window.after == timedelta(minutes=15)
    assert found.incidents.reopen_within == timedelta(hours=24)
    assert found.incidents.retention == timedelta(days=30)
    assert found.incidents.repeat_every == timedelta(seconds=10)
    assert found.receiver.max_body == 4 << 20
    assert (found.log.level, found.log.format) == ("info", "auto")
    assert (found.redis_url, found.broker_url, found.sentry_dsn) == (None, None, None)
    assert found.redis_prefix == "{ab}:"
    assert found.destinations["oncall"].threshold == Threshold()


def test_without_routes_everything_goes_everywhere() -> None:
    more = with_small("").replace("destinations:", "destinations:\n  b: {kind: slack, token: '${TOKEN}', channel: C0B}")
    assert settings(more).routes == (Route(to=("b", "oncall")),)


def test_routes_are_read_in_order() -> None:
    found = settings(
        with_small("""\
            routes:
              - {match: ['a=~"b|c", d=e', f!=g], to: [oncall], continue: true}
              - to: []
        """)
    )
    assert found.routes == (Route(parse_matchers('a=~"b|c",d=e,f!=g'), ("oncall",), True), Route())


def test_a_destination_takes_its_threshold_beside_its_own_options() -> None:
    found = settings(with_small("").replace("C0ONCALL}", "C0ONCALL, min_severity: error, min_count: 3, for: 5m}"))
    threshold = Threshold(min_severity=Severity.ERROR, min_count=3, for_=timedelta(minutes=5))
    assert found.destinations["oncall"].threshold == threshold
    assert found.destinations["oncall"].kind == "slack"


def test_sizes_and_durations_are_read() -> None:
    found = settings(
        with_small("receiver: {max_body: 512KiB}\nincidents: {repeat_every: 1m30s, reopen_within: 0, retention: 1w}\n")
    )
    assert found.receiver.max_body == 512 << 10
    assert found.incidents.repeat_every == timedelta(seconds=90)
    assert found.incidents.reopen_within == timedelta()


def test_the_environment_gives_the_store_and_the_own_sentry_unless_the_config_does() -> None:
    environ = ENVIRON | {"REDIS_URL": "redis://env/0", "SENTRY_DSN": "https://key@sentry.example.com/1"}
    found = settings(with_small(""), environ)
    assert found.redis_url == found.broker_url == Secret("redis://env/0")
    assert found.sentry_dsn == Secret("https://key@sentry.example.com/1")
    own = settings(
        with_small("redis: {url: 'rediss://own'}\nbroker_url: amqps://mq\nsentry_dsn: https://k@s/2\n"), environ
    )
    assert (own.redis_url, own.broker_url) == (Secret("rediss://own"), Secret("amqps://mq"))
    assert own.sentry_dsn == Secret("https://k@s/2")


def test_a_wrong_redis_url_of_the_environment_is_named() -> None:
    found = problems(with_small(""), ENVIRON | {"REDIS_URL": "http://:passw0rd@host"})
    assert found == [f"environment  REDIS_URL: {UNKNOWN}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1  the config has no sources and destinations: begin with a copy of config/bridge.yaml"),
        ("# nothing\n", "1:1  the config has no sources and destinations: begin with a copy of config/bridge.yaml"),
        ("- a\n", "1:1  the config has no sources and destinations: begin with a copy of config/bridge.yaml"),
    ],
)
def test_an_empty_config_says_where_to_begin(text: str, said: str) -> None:
    assert problems(text) == [said]


def test_without_sources_or_destinations_it_says_what_to_add() -> None:
    found = problems("sources:\nlog: {}\n")
    assert found[0].startswith("1:1  destinations: there are no destinations, so nobody would be told: add one, as in")
    assert found[1].startswith(
        "1:9  sources: there are no sources (and no checks or heartbeats), so nothing can come in: add"
    )


@pytest.mark.parametrize("sources", ["", "sources:", "sources: {}"])
def test_who_only_watches_needs_no_source(sources: str) -> None:
    found = settings(
        f"destinations: {{oncall: {{kind: slack, token: '${{TOKEN}}', channel: C0ONCALL}}}}\n{sources}\n"
        "checks: {shop: {url: 'https://shop.example.com'}}\n"
    )
    assert (found.sources, list(found.checks)) == ({}, ["shop"])


def test_what_people_read_may_be_called_in_their_language_and_what_is_an_address_not() -> None:
    heartbeats = "heartbeats: {야간_백업: {key: 0123456789abcdef, period: 1h}}\n"
    found = settings(with_small("checks: {결제-API: {url: 'https://a.example.com'}}\n" + heartbeats))
    assert (list(found.checks), list(found.heartbeats)) == (["결제-API"], ["야간_백업"])
    bad = problems(with_small("checks: {결제 API: {url: 'https://a.example.com'}}\n"))
    assert bad == ["5:10  checks.결제 API: a name has letters, digits, - and _ only, and 64 at the most: rename it"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("links: {a: b}", "5:8  links: has to be a list, as in links: [{label: Trace, kind: jaeger"),
        (
            "links: [5]",
            "5:9  links[0]: has to be a map: write - {kind: jaeger, label: …, url: …}; there are also the kinds z",
        ),
        ("links: [{kind: jeager, label: x}]", 'links[0].kind: there is no kind "jeager" here. Did you mean "jaeger"?'),
        ("links: [{label: x}]", "5:9  links[0].kind: kind is missing. Write one of: jaeger"),
        ("routes: {to: [oncall]}", "5:9  routes: has to be a list"),
        ("routes: [oncall]", "5:10  routes[0]: has to be a map: write {match: ['severity=critical'], to: [oncall]}"),
        ("routes: [{to: oncall}]", "routes[0].to: has to be a list: write [ ] around it"),
        ("routes: [{match: [a=b]}]", "5:10  routes[0].to: is missing: add to"),
        ("routes: [{match: ['a~b'], to: []}]", "routes[0].match[0]: expected an operator (=, !=, =~ or !~)"),
        ("routes: [{match: ['{}'], to: []}]", "routes[0].match[0]: there is no matcher in it"),
        ("log: info", "5:6  log: has to be a map: write key: value; the keys are level, format"),
        ("log: {level: warn}", 'log.level: has to be one of: debug, info, warning, error. Did you mean "warning"?'),
        ("scrub: [ip]", "5:8  scrub: has to be a map"),
        ("scrub: {ip: maybe}", 'scrub.ip: has to be true or false, and not "maybe"'),
        ("public_url: 8080", "public_url: has to be a text, and YAML reads a number here: put it in quotes"),
        ("public_url: ftp://x", "public_url: is not an address that the bridge can build on"),
        ("receiver: {max_body: lots}", 'receiver.max_body: "lots" is not a size: write a number and B, kB'),
        ("receiver: {max_body: 1}", "receiver.max_body: has to be greater than or equal to 1024"),
        ("incidents: {retention: 1h}", "incidents: retention is shorter than reopen_within"),
        ("incidents: {retention: -1h}", 'incidents.retention: "-1h" is not a duration'),
        ("incidents: {retention: 300}", 'incidents.retention: "300" is not a duration'),
        ("incidents: {retention: 99999999999w}", "is too long: write ten years"),
        ("redis: {prefix: 'ab:'}", "redis.prefix: does not have the right form"),
        ("broker_url: rabbit", "broker_url: is not a broker's address: write one such as redis://host:6379/0"),
        ("timezone: ../etc", 'timezone: there is no timezone "../etc". Write one such as Asia/Seoul or UTC'),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(more: str, said: str) -> None:
    found = problems(with_small(more))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{kind: sentry}", "2:11  sources.sentry.client_secret: is missing: add client_secret or client_secret_file"),
        (
            "{kind: sentri, client_secret: x}",
            'sources.sentry.kind: there is no kind "sentri" here. Did you mean "sentry"?',
        ),
        ("{client_secret: x}", "sources.sentry.kind: kind is missing. Did you mean kind: sentry?"),
        ("hello", "2:11  sources.sentry: has to be a map: write sentry: {kind: sentry, client_secret: "),
        ("{kind: sentry, client_secret: }", "sources.sentry.client_secret: is empty: write a value, or remove the key"),
        ("{kind: sentry, client_secret: 0123}", "has to be a text, and YAML reads a number here: put it in quotes"),
        ("{kind: sentry, client_secret: yes}", "has to be a text, and YAML reads true or false here: put it in quotes"),
        ("{kind: sentry, client_secret: [x]}", "sources.sentry.client_secret: has to be a text, and not a list"),
        (
            "{kind: alertmanager, basic_auth: {username: a}}",
            "basic_auth.password: is missing: add password or password_f",
        ),
        ("{kind: alertmanager, basic_auth: {user: a, password: b}}", 'no option "user" here. Did you mean "username"?'),
    ],
)
def test_what_is_wrong_with_a_source_is_said(entry: str, said: str) -> None:
    found = problems(with_small("").replace('{kind: sentry, client_secret: "${SECRET}"}', entry))
    assert any(said in line for line in found), found


def test_a_name_has_to_fit_into_an_address() -> None:
    found = problems(with_small("").replace("sentry:", "sentry/web:", 1))
    assert found == [
        "2:3  sources.sentry/web: a name has letters (A to Z), digits, - and _ only, and 64 at the most: rename it"
    ]


def test_a_mistake_in_one_destination_is_not_told_of_the_routes_to_it_too() -> None:
    found = problems(with_small("routes: [{to: [oncall]}]").replace("channel:", "chan:"))
    assert all("routes" not in line for line in found)


def test_sections_that_are_all_commented_out_are_as_if_left_out() -> None:
    assert settings(with_small("links:\nscrub:\nroutes:\nlog:\nincidents:\n")).links == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("public_url: http://alerts.example.com", "5:13  public_url: is plain http"),
        (
            "routes: [{to: [oncall]}, {match: [a=b], to: []}]",
            "routes[1]: is never asked: routes[0] takes everything it would match",
        ),
        (
            "routes: [{match: [a=b], to: [oncall]}, {match: ['c=d,a=b'], to: []}, {to: [oncall]}]",
            "routes[1]: is never asked: routes[0] takes everything",
        ),
        ("routes: [{to: []}]", "4:11  destinations.oncall: no route leads here, so it hears nothing"),
        ("routes: [{match: [a=b], to: [oncall]}]", "5:9  routes: what no route matches is told to nobody"),
        (
            "sentry_dsn: https://key@sentry.example.com/1",
            "sentry_dsn: a secret stands here for all to read: write ${NAME}",
        ),
    ],
)
def test_what_is_hardly_meant_is_warned_of(more: str, said: str) -> None:
    found = warnings(with_small(more))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    "more",
    [
        "public_url: http://localhost:8080",
        "public_url: http://127.0.0.1:8080/",
        "routes: [{match: [a=b], to: [], continue: true}, {match: [a=b], to: [oncall]}, {to: []}]",
        "routes: [{match: [a=b,c=d], to: []}, {match: [a=b], to: [oncall]}, {to: []}]",
    ],
)
def test_what_may_well_be_meant_is_not_warned_of(more: str) -> None:
    assert warnings(with_small(more)) == []


def test_a_file_that_cannot_be_read_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path / "no.yaml", kinds(), {})
    assert str(refusal.value).endswith(
        "no.yaml  can't be read (No such file or directory): set ALERT_BRIDGE_CONFIG to the path of the config"
    )


def test_the_environment_names_the_config() -> None:
    assert config_path({}) == Path("config/bridge.yaml")
    assert config_path({"ALERT_BRIDGE_CONFIG": "elsewhere.yaml"}) == Path("elsewhere.yaml")


def test_a_destination_names_the_one_that_hears_of_what_it_refuses() -> None:
    tickets = 'tickets: {kind: slack, token: "${TOKEN}", channel: C0TICKETS, fallback: oncall}'
    found = settings(with_small("").replace("  oncall:", f"  {tickets}\n  oncall:"))
    assert found.destinations["tickets"].fallback == "oncall"
    assert found.destinations["oncall"].fallback == ""


def test_a_fallback_is_another_destination() -> None:
    def said(fallback: str) -> list[str]:
        return problems(with_small("").replace("C0ONCALL}", f"C0ONCALL, fallback: {fallback}}}"))

    (itself,) = said("oncall")
    assert "destinations.oncall.fallback" in itself
    assert "is this destination itself: name another one, or leave it out" in itself
    (unknown,) = said("oncal")
    assert 'there is no destination "oncal". Did you mean "oncall"?' in unknown


def test_a_destination_that_is_a_fallback_needs_no_route() -> None:
    text = with_small("routes: [{to: [oncall]}]").replace(
        "C0ONCALL}", 'C0ONCALL, fallback: spare}\n  spare: {kind: slack, token: "${TOKEN}", channel: C0SPARE}'
    )
    assert warnings(text) == []


def test_a_token_of_the_api_that_can_be_guessed_is_refused() -> None:
    (said,) = problems(with_small("receiver: {api_token: letmein}"))
    assert "receiver.api_token" in said
    assert "is too short to be secret: make one with `openssl rand -hex 24`" in said
    assert "letmein" not in said
