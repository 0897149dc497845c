from __future__ import annotations

import base64
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.domain.advance import advance
from bridge.domain.alert import ALL_MATCHERS, MATCHERS, Alert, Link, Severity, Status
from bridge.enrich.links.matchers import given as given_links
from bridge.ports import Ignored, Request, Source, Unparseable, Unverified
from bridge.sources.alertmanager import Alertmanager
from bridge.sources.alertmanager_payload import fnv1a
from bridge.sources.alertmanager_proof import AlertmanagerOptions
from tests.machine import slowness

NOW = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)
ZERO = "0001-01-01T00:00:00Z"
TOKEN = "f2b1-token"


def options(**given: Any) -> AlertmanagerOptions:
    return AlertmanagerOptions.model_validate(given)


def source(**given: Any) -> Alertmanager:
    return Alertmanager("prom", options(**(given or {"bearer_token": TOKEN})))


def one(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "error", "job": "node"},
        "annotations": {"summary": "Disk of db-1 is full", "description": "97% of /var is used"},
        "startsAt": "2026-03-09T09:58:30.481Z",
        "endsAt": ZERO,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=disk",
        "fingerprint": "9a1b2c3d4e5f6071",
    } | changes


def group(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="DiskFull"}',
        "receiver": "alert-bridge",
        "status": "firing",
        "alerts": list(alerts),
        "externalURL": "https://am.example.com/",
        "truncatedAlerts": 0,
        "commonLabels": {},
        "routeLabels": None,
        "notification_reason": "repeat interval elapsed",
    } | changes


def request(body: object, headers: dict[str, str] | None = None, path_secret: str = "") -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(headers=headers or {}, body=raw, received_at=NOW, path_secret=path_secret)


def alerts(body: object) -> list[Alert]:
    parsed = source().parse(request(body))
    assert isinstance(parsed, list)
    return parsed


def alert(**changes: Any) -> Alert:
    return alerts(group(one(**changes)))[0]


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# --- the proof ---------------------------------------------------------------------------------------------


def test_it_satisfies_the_protocol_and_never_waits_on_the_network() -> None:
    kind: Source = source()
    assert kind.needs_io(request({})) is False


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"  Bearer   {TOKEN} "])
def test_the_right_bearer_token_is_accepted(header: str) -> None:
    source().verify(request({}, {"authorization": header}))


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}",
     "Bearer é", "Bearer 東京", "Bearer \udcff", "Bearer " + "x" * 10_000],
)  # fmt: skip
def test_any_other_authorization_is_unverified(header: str) -> None:
    with pytest.raises(Unverified, match="bearer"):
        source().verify(request({}, {"authorization": header}))


def test_both_tokens_are_accepted_while_they_are_rotated() -> None:
    rotating = source(bearer_token="new", previous_bearer_token="old")
    for token in ("new", "old"):
        rotating.verify(request({}, {"authorization": f"Bearer {token}"}))
    with pytest.raises(Unverified):
        rotating.verify(request({}, {"authorization": "Bearer older"}))


def test_basic_auth_is_split_at_the_first_colon_and_read_as_utf_8() -> None:
    proven = source(basic_auth={"username": "bridge", "password": "pa:ss/ü"})
    proven.verify(request({}, basic("bridge:pa:ss/ü")))
    for wrong in ("bridge:pa", "bridge:", "Bridge:pa:ss/ü", ""):
        with pytest.raises(Unverified, match="basic auth"):
            proven.verify(request({}, basic(wrong)))


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic a", "Bearer x", "Basic é", "Basic YQ=é"])
def test_basic_auth_that_is_not_base64_is_unverified(header: str) -> None:
    with pytest.raises(Unverified):
        source(basic_auth={"username": "a", "password": "b"}).verify(request({}, {"authorization": header}))


def test_a_path_secret_proves_alone() -> None:
    proven = source(path_secret="2f9c-path")
    proven.verify(request({}, path_secret="2f9c-path"))
    for wrong in ("", "2f9c", "東京", "\udcff"):
        with pytest.raises(Unverified, match="path secret"):
            proven.verify(request({}, path_secret=wrong))


def test_with_a_token_and_a_path_secret_both_must_hold() -> None:
    proven = source(bearer_token=TOKEN, path_secret="2f9c-path")
    bearer = {"authorization": f"Bearer {TOKEN}"}
    proven.verify(request({}, bearer, "2f9c-path"))
    for headers, path in ((bearer, ""), ({}, "2f9c-path")):
        with pytest.raises(Unverified):
            proven.verify(request({}, headers, path))


@given(st.text(max_size=60), st.text(max_size=20))
def test_verify_raises_nothing_but_unverified(header: str, path: str) -> None:
    for proven in (source(), source(basic_auth={"username": "a", "password": "b"}), source(path_secret="p" * 30)):
        with pytest.raises(Unverified):
            proven.verify(request({}, {"authorization": header}, path))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "set bearer_token, basic_auth or path_secret"),
        ({"bearer_token": "t0p-s3cret", "basic_auth": {"username": "a", "password": "b"}}, "not both"),
        ({"bearer_token": " "}, "is empty"),
        ({"path_secret": ""}, "is empty"),
        ({"basic_auth": {"username": "a", "password": ""}}, "is empty"),
        ({"basic_auth": {"username": "a:b", "password": "t0p-s3cret"}}, "pattern"),
        ({"path_secret": "t0p-s3cret", "previous_bearer_token": "t0p-s3cret"}, "needs bearer_token"),
        ({"bearer_token": "t0p-s3cret", "default_severity": "loud"}, "default_severity"),
        ({"bearer_tokn": "t0p-s3cret"}, "bearer_tokn"),
    ],
)
def test_wrong_options_say_what_to_do_and_show_no_secret(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as error:
        options(**wrong)
    assert "t0p-s3cret" not in str(error.value)


def test_an_empty_previous_token_means_none() -> None:
    with pytest.raises(Unverified):
        source(bearer_token=TOKEN, previous_bearer_token="").verify(request({}, {"authorization": "Bearer "}))


# --- what the payload says ----------------------------------------------------------------------------------


def test_a_firing_alert_is_mapped() -> None:
    mapped = alert()
    assert (mapped.source, mapped.status, mapped.severity) == ("prom", Status.FIRING, Severity.ERROR)
    assert mapped.at == datetime(2026, 3, 9, 9, 58, 30, 481000, tzinfo=UTC)
    assert (mapped.title, mapped.summary) == ("Disk of db-1 is full", "97% of /var is used")
    assert (mapped.service, mapped.environment) == ("node", "")
    assert mapped.url == "http://prometheus:9090/graph?g0.expr=disk"
    assert mapped.labels == {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "error", "job": "node"}
    assert mapped.facts == {"Alert": "DiskFull", "Instance": "db-1:9100", "Job": "node"}
    assert mapped.links == (
        Link("Alertmanager", f"https://am.example.com/#/alerts?filter={MATCHERS}"),
        Link("Silence", f"https://am.example.com/#/silences/new?filter={ALL_MATCHERS}"),
    )


def shown(**changes: Any) -> dict[str, str]:
    """The links that people see, by name."""
    incident, _ = advance(None, alert(**changes), set(), timedelta())
    assert incident is not None
    return {link.label: link.url for link in given_links(incident)}


def test_the_filter_names_each_label() -> None:
    filters = (
        "filter=%7Balertname%3D%22DiskFull%22%2C%20instance%3D%22db-1%3A9100%22%2C%20"
        "job%3D%22node%22%2C%20severity%3D%22error%22%7D"
    )
    assert shown() == {
        "Alertmanager": f"https://am.example.com/#/alerts?{filters}",
        "Silence": f"https://am.example.com/#/silences/new?{filters}",
    }


def test_the_filter_quotes_values_and_odd_names_and_has_no_label_of_our_own() -> None:
    found = shown(labels={"a.b": 'x"\\\n{},', "alertname": "A", "severity": "page"})["Silence"]
    assert unquote(found.partition("filter=")[2]) == '{alertname="A", "a.b"="x\\"\\\\\\n{},", severity="page"}'


def test_a_silence_is_offered_only_if_it_would_hold_this_alert_alone_and_the_alert_fires() -> None:
    many = shown(labels={f"label_{n}": "값" * 20 for n in range(100)})
    assert list(many) == ["Alertmanager"]
    assert len(many["Alertmanager"]) < 2000
    for altered in ("[redacted email]", "a" * 90 + "…"):
        hidden = shown(labels={"alertname": "A", "who": altered})
        assert list(hidden) == ["Alertmanager"], "scrubbed or cut, it is not what Alertmanager knows"
        assert unquote(hidden["Alertmanager"]).endswith('{alertname="A"}')
    assert list(shown(labels={"alertname": "A", "source_severity": "page"})) == ["Alertmanager"]
    assert [link.label for link in alert(status="resolved").links] == ["Alertmanager"]


def test_half_a_character_becomes_the_replacement_character() -> None:
    body = json.dumps(group(one(annotations={"summary": "CUT \U0001f680"}))).encode()
    given = Request(headers={}, body=body.replace(rb"CUT", rb"\ud83d"), received_at=NOW)
    found = source().parse(given)
    assert isinstance(found, list)
    assert found[0].title == "\ufffd \U0001f680"


def test_each_alert_of_a_group_speaks_for_itself() -> None:
    firing, resolved = alerts(
        group(one(), one(status="resolved", endsAt="2026-03-09T09:59:00Z", fingerprint="00000000000000aa"))
    )
    assert (firing.status, resolved.status) == (Status.FIRING, Status.RESOLVED)
    assert resolved.at == datetime(2026, 3, 9, 9, 59, tzinfo=UTC)
    assert firing.fingerprint != resolved.fingerprint


def test_a_group_that_is_resolved_does_not_resolve_a_firing_member() -> None:
    assert alerts(group(one(), status="resolved"))[0].status is Status.FIRING


def test_identity_survives_edited_routes_and_another_sender_of_the_pair() -> None:
    first = alerts(group(one(), groupKey="a", receiver="x"))[0]
    other = alerts(group(one(), groupKey="b", receiver=r"y\\.z", externalURL="https://am-1.example.com"))[0]
    assert (first.fingerprint, first.event_id) == (other.fingerprint, other.event_id)


def test_identity_differs_between_two_sources() -> None:
    parsed = Alertmanager("other", options(bearer_token="t")).parse(request(group(one())))
    assert isinstance(parsed, list)
    assert parsed[0].fingerprint != alert().fingerprint


def test_the_same_statement_has_one_event_id_however_its_start_is_written() -> None:
    spellings = ("2026-03-09T09:58:30.481Z", "2026-03-09T15:28:30.481000+05:30", "2026-03-09T09:58:30.4810004Z")
    assert len({alert(startsAt=written).event_id for written in spellings}) == 1


def test_a_repeat_is_the_same_statement_but_a_new_start_or_end_is_another() -> None:
    ended = {"status": "resolved", "endsAt": "2026-03-09T09:59:00Z"}
    statements = [
        alert(), alert(startsAt="2026-03-09T09:59:00Z"), alert(**ended), alert(status="resolved"),
        alert(**ended | {"endsAt": "2026-03-09T09:59:01Z"}),
    ]  # fmt: skip
    assert len({statement.event_id for statement in statements}) == 5
    assert alert(annotations={"summary": "98% now"}).event_id == alert().event_id
    assert len({statement.fingerprint for statement in statements}) == 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "cbf29ce484222325"),
        ({"alertname": "alert1", "lbl1": "val1"}, "fac0861a85de433a"),
        ({"zone": "東京", "alertname": "Über"}, "6942aad9da4545fc"),
    ],
)
def test_a_missing_fingerprint_is_computed_as_alertmanager_does(labels: dict[str, str], expected: str) -> None:
    assert fnv1a(labels) == expected
    given_one, computed = alert(labels=labels, fingerprint=expected), alert(labels=labels, fingerprint="")
    assert (given_one.fingerprint, given_one.event_id) == (computed.fingerprint, computed.event_id)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-09T09:58:30Z", datetime(2026, 3, 9, 9, 58, 30, tzinfo=UTC)),
        ("2026-03-09T09:58:30.123456789+09:00", datetime(2026, 3, 9, 0, 58, 30, 123457, tzinfo=UTC)),
        ("2026-03-08T23:58:30.5-10:30", datetime(2026, 3, 9, 10, 28, 30, 500000, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_go_writes_them(written: str, expected: datetime) -> None:
    assert alert(startsAt=written).at == expected


@pytest.mark.parametrize(
    "written", [ZERO, "0001-01-01T00:00:00+14:00", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_that_means_none_is_the_time_of_arrival(written: str) -> None:
    assert alert(startsAt=written).at == NOW
    assert alert(status="resolved", endsAt=written).at == NOW


@pytest.mark.parametrize("written", ["2026-03-09T09:58:00Z", "2026-03-11T00:00:00Z", ZERO])
def test_an_end_before_the_start_or_far_ahead_is_the_time_of_arrival(written: str) -> None:
    assert alert(status="resolved", endsAt=written).at == NOW


def test_a_resolved_alert_without_an_end_is_resolved_on_arrival() -> None:
    body = one(status="resolved")
    del body["endsAt"]
    assert alerts(group(body))[0].at == NOW


@given(st.datetimes(timezones=st.timezones() | st.just(timezone(timedelta(hours=14)))))
def test_no_time_overflows(at: datetime) -> None:
    written = at.replace(tzinfo=None).isoformat() + "+14:00"
    assert alert(startsAt=written, endsAt=written, status="resolved").at.tzinfo is not None


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        ({"severity": "critical"}, Severity.CRITICAL),
        ({"severity": "PAGE"}, Severity.CRITICAL),
        ({"severity": "none"}, Severity.INFO),
        ({"severity": "odd", "priority": "P2"}, Severity.ERROR),
        ({"priority": "p4"}, Severity.INFO),
        ({}, Severity.WARNING),
    ],
)
def test_severity_comes_from_severity_then_priority_then_the_default(
    labels: dict[str, str], severity: Severity
) -> None:
    assert alert(labels=labels).severity is severity


def test_the_default_severity_can_be_set_and_the_senders_own_word_is_kept() -> None:
    parsed = source(bearer_token="t", default_severity="error").parse(request(group(one(labels={"severity": "loud"}))))
    assert isinstance(parsed, list)
    assert parsed[0].severity is Severity.ERROR
    assert parsed[0].labels == {"severity": "loud", "source_severity": "loud"}


@pytest.mark.parametrize(
    ("labels", "notes", "title", "summary"),
    [
        ({"alertname": "Up"}, {}, "Up", ""),
        ({"alertname": "Up"}, {"title": "T", "message": "M"}, "T", "M"),
        ({"alertname": "Up"}, {"summary": " two\n lines ", "title": "T"}, "two lines", ""),
        ({"alertname": "Up"}, {"summary": "same", "description": "same"}, "same", ""),
        ({}, {"description": "D"}, "Alert without a name", "D"),
        ({}, {"summary": "x" * 300}, "x" * 249 + "…", ""),
    ],
)
def test_title_and_summary(labels: dict[str, str], notes: dict[str, str], title: str, summary: str) -> None:
    mapped = alert(labels=labels, annotations=notes)
    assert (mapped.title, mapped.summary) == (title, summary)


def test_service_and_environment_take_the_first_label_that_says_so() -> None:
    labels = {"job": "j", "app_kubernetes_io_name": "k", "app": "a", "service": "s", "stage": "qa", "env": "prod"}
    for expected in ("s", "a", "k", "j"):
        assert alert(labels=labels).service == expected
        labels = {key: value for key, value in labels.items() if value != expected}
    assert alert(labels={"stage": "qa", "env": "prod"}).environment == "prod"
    assert alert(labels={"stage": "qa"}).environment == "qa"


def test_only_web_addresses_become_links() -> None:
    notes = {"runbook_url": "https://rb.example.com/x", "dashboard_url": "javascript:alert(1)"}
    assert alert(annotations=notes).links[0] == Link("Runbook", "https://rb.example.com/x")
    assert "Dashboard" not in [link.label for link in alert(annotations=notes).links]
    both = alert(annotations={"runbook_url": "wiki/x", "dashboard_url": " http://g/d/1 "}).links
    assert [link.label for link in both] == ["Dashboard", "Alertmanager", "Silence"]


def test_without_a_graph_the_title_leads_to_alertmanager() -> None:
    mapped = alerts(group(one(generatorURL=""), receiver="team a/b"))[0]
    assert mapped.url == "https://am.example.com/#/alerts?receiver=team+a%2Fb"
    bare = alerts(group(one(generatorURL="ftp://x"), externalURL=""))[0]
    assert (bare.url, bare.links) == ("", ())


def test_a_cut_group_says_so() -> None:
    mapped = alerts(group(one(), truncatedAlerts=7))[0]
    assert mapped.facts["Truncated"] == "7 more alerts were cut by Alertmanager's max_alerts"


def test_other_annotations_are_facts_when_short_and_details_when_long() -> None:
    mapped = alert(annotations={"value_now": "7.42%", "what_to_do": "First line\nSecond line", "stack_trace": "a\nb"})
    assert mapped.facts["Value now"] == "7.42%"
    assert mapped.details == "what_to_do: First line\nSecond line\nstack_trace: a\nb"


@pytest.mark.parametrize(
    "key", ["trace_id", "traceID", "trace.id", "traceparent", "X-B3-TraceId", "b3", "uber-trace-id"]
)
def test_annotations_that_may_carry_a_trace_id_are_carriers_and_no_facts(key: str) -> None:
    mapped = alert(annotations={key: "v"})
    assert mapped.carriers == {key: "v"}
    assert mapped.trace_id == ""
    assert "v" not in mapped.facts.values()


def test_annotations_that_only_sound_like_traces_are_none() -> None:
    assert alert(annotations={"stacktrace": "x", "backtrace": "y"}).carriers == {}


def test_an_empty_group_is_ignored() -> None:
    for body in (group(), group(alerts=None)):
        assert source().parse(request(body)) == Ignored("no alerts in the group")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"text": "from a template"}, 'version is "".*custom `payload:` template isn\'t supported'),
        (group(one(), version="1"), 'version is "1".*Grafana'),
        (group(one(), version=4), r"\$.version"),
        (group(one(status="pending")), r"\$.alerts\[0\].status"),
        (group(one(), one(startsAt="yesterday")), r"\$.alerts\[1\].startsAt"),
        (group(one(startsAt="2026-03-09T09:58:30")), r"\$.alerts\[0\].startsAt"),
        (group(one(labels={"a": 1})), r"\$.alerts\[0\].labels"),
        (group({"status": "firing"}), "labels"),
        ([], "object"),
        (b"", "not an Alertmanager payload"),
        (b"{", "not an Alertmanager payload"),
        (b'{"version": "\xff"}', "not an Alertmanager payload"),
        (b"[" * 100_000, "not an Alertmanager payload"),
    ],
)
def test_what_is_no_version_4_payload_is_unparseable_and_says_where(body: object, says: str) -> None:
    with pytest.raises(Unparseable, match=says):
        source().parse(request(body))


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
        lambda x: json.dumps({"version": "4", "alerts": x}).encode()
    )
)
def test_parse_raises_nothing_but_unparseable(body: bytes) -> None:
    with contextlib.suppress(Unparseable):
        source().parse(request(body))


def test_a_thousand_alerts_of_a_group_are_read_quickly() -> None:
    labels = {f"label_{number}": "value" for number in range(10)}
    body = request(group(*(one(fingerprint=f"{number:016x}", labels=labels) for number in range(1000))))
    started = time.process_time()
    parsed = source().parse(body)
    assert time.process_time() - started < 0.5 * slowness()  # some 25 ms on an idle machine
    assert isinstance(parsed, list)
    assert len({alert.fingerprint for alert in parsed}) == 1000


def test_an_alert_with_three_hundred_labels_is_read() -> None:
    labels = {f"label_{number}": "value" for number in range(300)}
    assert alert(labels=labels).labels == labels


# --- the sample ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_options",
    [
        {"bearer_token": TOKEN},
        {"basic_auth": {"username": "a", "password": "ü"}},
        {"path_secret": "2f9c-path"},
        {"basic_auth": {"username": "a", "password": "b"}, "path_secret": "2f9c-path"},
    ],
)
def test_a_sample_is_proven_and_its_resolution_resolves_it(given_options: dict[str, Any]) -> None:
    kind = source(**given_options)
    told = []
    for status in (Status.FIRING, Status.RESOLVED):
        sample = kind.sample(status, NOW)
        arrived = request(sample.body, sample.headers, sample.path_secret)
        kind.verify(arrived)
        parsed = kind.parse(arrived)
        assert isinstance(parsed, list)
        told += parsed
    assert [statement.status for statement in told] == [Status.FIRING, Status.RESOLVED]
    assert told[0].fingerprint == told[1].fingerprint
    assert [statement.at for statement in told] == [NOW, NOW]
    assert told[0].carriers == {"trace_id": "3fa1c97be02d4d6c8a5b7e10f2946d38"}


def test_a_firing_alert_says_when_it_was_said_and_a_resolved_one_does_not() -> None:
    now = datetime.now(UTC)
    source = Alertmanager("am", AlertmanagerOptions.model_validate({"bearer_token": "t" * 20}))

    def said(status: Status) -> datetime | None:
        sample = source.sample(status, now)
        parsed = source.parse(Request(headers=sample.headers, body=sample.body, received_at=now))
        assert isinstance(parsed, list)
        return parsed[0].said_at

    assert said(Status.FIRING) == now
    assert said(Status.RESOLVED) is None
