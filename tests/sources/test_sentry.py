"""Sentry: what proves a hook, what each hook becomes, and what no hook can do to the bridge."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Severity, Status, event_id
from bridge.domain.incident import Change, Incident
from bridge.ports import Ignored, Parsed, Request, Source, Unparseable, Unverified
from bridge.sources.sentry import Sentry, SentryOptions

SECRET = "own-test-secret-5e1f"
NEXT_SECRET = "own-test-secret-next"
NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
PAYLOADS = Path(__file__).parent / "payloads" / "sentry"
FIXED_BODY = (
    '{"action": "created", "data": {"issue": {"id": "42", "title": "caf\\u00e9 \\/ 결제", "level":  "warning"}},\r\n'
    ' "installation": {"uuid": "c1a7b0e4-93de-4b62-8a53-7f10d2e6b948"}}'
).encode()
FIXED_SIGNATURE = "470398833182f8a27d8d1419372db065996f0eaa020bbb82abcbc2de07f1cedf"
"""printf of the body | openssl dgst -sha256 -hmac own-test-secret-5e1f"""


def source(name: str = "sentry", **options: Any) -> Sentry:
    return Sentry(name, SentryOptions.model_validate({"client_secret": SECRET, **options}))


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_bytes())


def signed(body: bytes, resource: str, *, at: datetime | None = NOW, key: str = SECRET, **more: str) -> Request:
    headers = {
        "content-type": "application/json",
        "sentry-hook-resource": resource,
        "sentry-hook-signature": hmac.new(key.encode(), body, "sha256").hexdigest(),
    }
    if at:
        headers["sentry-hook-timestamp"] = str(int(at.timestamp()))
    headers |= {key.replace("_", "-"): value for key, value in more.items()}
    return Request(headers=headers, body=body, received_at=NOW + timedelta(seconds=1))


def read(name: str, data: Any = None, *, at: datetime | None = NOW, resource: str = "", **more: str) -> Parsed:
    body = json.dumps(payload(name) if data is None else data).encode()
    request = signed(body, resource or name.partition("-")[0], at=at, **more)
    source().verify(request)
    return source().parse(request)


def alert(name: str, data: Any = None, **more: Any) -> Alert:
    parsed = read(name, data, **more)
    assert isinstance(parsed, list)
    (only,) = parsed
    return only


def in_turn(*alerts: Alert) -> tuple[Incident | None, list[Change]]:
    incident: Incident | None = None
    seen: set[str] = set()
    changes = []
    for statement in alerts:
        incident, change = advance(incident, statement, seen, timedelta(hours=24))
        seen.add(statement.event_id)
        changes.append(change)
    return incident, changes


def test_it_satisfies_the_protocol() -> None:
    kept: Source = source()
    assert not kept.needs_io(signed(b"{}", "issue"))


# --- the proof -------------------------------------------------------------------------------------------


def test_a_signature_made_by_openssl_is_accepted_and_the_body_is_read_to_the_byte() -> None:
    headers = {"sentry-hook-resource": "issue", "sentry-hook-signature": FIXED_SIGNATURE}
    request = Request(headers=headers, body=FIXED_BODY, received_at=NOW)
    source().verify(request)
    (only,) = source().parse(request)  # type: ignore[misc]  # a list of one
    assert only.title == "café / 결제"


def test_the_same_json_in_other_bytes_is_refused() -> None:
    other = json.dumps(json.loads(FIXED_BODY)).encode()
    headers = {"sentry-hook-resource": "issue", "sentry-hook-signature": FIXED_SIGNATURE}
    with pytest.raises(Unverified):
        source().verify(Request(headers=headers, body=other, received_at=NOW))


@pytest.mark.parametrize(
    "given",
    [
        "",
        "   ",
        "0" * 64,
        FIXED_SIGNATURE[:-1],
        FIXED_SIGNATURE + "0",
        FIXED_SIGNATURE.upper().replace("A", "B"),
        "sha256=" + FIXED_SIGNATURE,
        "é" * 64,
        "\u212a" * 64,
        "\ud800",
        "서명",
        "\x00\xff",
        "a" * 10_000,
        "ÿ" * 10_000,
    ],
    ids=range(14),
)
def test_any_other_signature_is_unverified_and_nothing_else(given: str) -> None:
    request = Request(headers={"sentry-hook-signature": given}, body=FIXED_BODY, received_at=NOW)
    with pytest.raises(Unverified):
        source().verify(request)


@given(st.text(max_size=200), st.binary(max_size=200))
def test_no_header_makes_verify_raise_anything_else(given: str, body: bytes) -> None:
    with pytest.raises(Unverified):
        source().verify(Request(headers={"sentry-hook-signature": given}, body=body, received_at=NOW))


def test_upper_case_hex_and_blanks_around_it_are_the_same_signature() -> None:
    given = f" {FIXED_SIGNATURE.upper()} "
    source().verify(Request(headers={"sentry-hook-signature": given}, body=FIXED_BODY, received_at=NOW))


@pytest.mark.parametrize("key", [SECRET, NEXT_SECRET])
def test_while_the_secret_is_changed_both_are_accepted(key: str) -> None:
    rotating = source(client_secret=NEXT_SECRET, previous_client_secret=SECRET)
    rotating.verify(signed(b"{}", "issue", key=key))
    with pytest.raises(Unverified):
        rotating.verify(signed(b"{}", "issue", key="a third"))


@pytest.mark.parametrize("previous", ["", "  ", None])
def test_an_empty_previous_secret_is_none_and_never_a_key(previous: str | None) -> None:
    with pytest.raises(Unverified):
        source(previous_client_secret=previous).verify(signed(b"{}", "issue", key=""))


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_secret_is_a_config_error_that_says_where_to_find_it(empty: str) -> None:
    with pytest.raises(ValidationError, match="Client Secret"):
        SentryOptions(client_secret=SecretStr(empty))


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "legacy WebHooks plugin"),
        ({"x-servicehook-signature": "00"}, "service hook"),
        ({"sentry-app-signature": "00"}, "UI component"),
        ({"sentry-hook-signature": "00"}, "client_secret"),
    ],
)
def test_the_log_says_what_to_do_about_an_unproven_request(headers: dict[str, str], says: str) -> None:
    with pytest.raises(Unverified, match=says) as refused:
        source().verify(Request(headers=headers, body=b"{}", received_at=NOW))
    assert SECRET not in str(refused.value)


def test_secrets_do_not_show() -> None:
    options = SentryOptions(client_secret=SecretStr(SECRET), previous_client_secret=SecretStr(NEXT_SECRET))
    assert "own-test" not in repr(options) + str(options) + repr(Sentry("sentry", options))


# --- events ----------------------------------------------------------------------------------------------


def test_an_issue_alert_becomes_a_firing_alert_with_all_that_is_known() -> None:
    assert alert("event_alert") == Alert(
        source="sentry",
        fingerprint=alert("issue-created").fingerprint,
        event_id=event_id("event", "9f3c1d77a0b24e5e8c6a41d2b7e0f935"),
        status=Status.FIRING,
        severity=Severity.CRITICAL,
        at=datetime(2026, 3, 2, 23, 12, 7, 900000, tzinfo=UTC),  # when Sentry received it
        title="SettlementMismatch: 정산 금액이 다릅니다: 주문 20260303-118",
        summary="SettlementMismatch: 정산 금액이 다릅니다: 주문 20260303-118",
        details="settlement/ledger.py:166 in close_day\n"
        "settlement/tasks.py:38 in close_day\n"
        "sqlalchemy/orm/session.py:4352 in flush\n"
        "celery/app/trace.py:453 in trace_task",
        service="settlement",
        environment="staging-seoul",
        url="https://hanul-market.sentry.io/issues/7300451198/events/9f3c1d77a0b24e5e8c6a41d2b7e0f935/",
        labels={
            "environment": "staging-seoul",
            "handled": "no",
            "level": "fatal",
            "release": "settlement@5.2.0+8d41c07",
            "retries": "3",
            "server_name": "batch-03",
            "project": "settlement",
            "platform": "python",
            "logger": "settlement.batch",
            "rule": "settlement: fatal, page the batch team",
            "type": "error",
        },
        facts={
            "Culprit": "settlement.ledger in close_day",
            "Caused by": "KeyError: '20260303-118'",
            "Release": "settlement@5.2.0+8d41c07",
            "Rule": "settlement: fatal, page the batch team",
        },
        trace_id="3d8f0a6b52c94e17b0e6d49c1f7a8253",
    )


def test_nothing_about_a_person_and_no_variables_are_taken_from_an_event() -> None:
    kept = msgspec.json.encode(alert("event_alert")).decode()
    for private in ("customer@example.com", "203.0.113.77", "5521", "hunter2"):
        assert private not in kept


def test_the_same_event_through_two_rules_and_as_an_error_is_one_statement() -> None:
    data = payload("event_alert")
    data["data"]["triggered_rule"] = "another rule"
    by_rule, by_other, by_error = alert("event_alert"), alert("event_alert", data), alert("error-created")
    assert by_rule.event_id == by_other.event_id == by_error.event_id
    assert by_rule.at == by_error.at
    assert in_turn(by_rule, by_other, by_error)[1] == [Change.OPENED, Change.DUPLICATE, Change.DUPLICATE]


def test_another_event_of_the_issue_is_another_statement() -> None:
    data = payload("event_alert")
    data["data"]["event"]["event_id"] = "0" * 31 + "1"
    assert alert("event_alert", data).event_id != alert("event_alert").event_id
    assert alert("event_alert", data).fingerprint == alert("event_alert").fingerprint


def test_the_tag_service_names_the_service_before_the_project_does() -> None:
    data = payload("event_alert")
    data["data"]["event"]["tags"].append(["service", "ledger"])
    assert alert("event_alert", data).service == "ledger"
    assert alert("event_alert", data).labels["project"] == "settlement"


@pytest.mark.parametrize(
    ("monitor", "title", "summary", "fact", "trace"),
    [
        (
            "uptime",
            "Downtime detected for https://pay.hanul-market.example/healthz",
            "Your monitored domain is down",
            ("Failure reason", "timeout"),
            "c0de9a7f1b2c4d3e8f90a1b2c3d4e5f6",
        ),
        (
            "cron",
            "Monitor failure: close-of-day",
            "Your monitor has reached its failure threshold.",
            ("Last successful check-in", "2026-03-03T02:01:12.000000+00:00"),
            "",
        ),
    ],
)
def test_uptime_and_cron_monitors_show_their_evidence(
    monitor: str, title: str, summary: str, fact: tuple[str, str], trace: str
) -> None:
    told = alert(f"event_alert-{monitor}")
    assert (told.title, told.summary, told.trace_id, told.details) == (title, summary, trace, "")
    assert told.facts[fact[0]] == fact[1]
    assert told.environment == "production"
    assert "Environment" not in told.facts


@pytest.mark.parametrize(
    ("given", "kept", "carried"),
    [
        ("3D8F0A6B52C94E17B0E6D49C1F7A8253", "3d8f0a6b52c94e17b0e6d49c1f7a8253", ""),
        ("3d8f0a6b-52c9-4e17-b0e6-d49c1f7a8253", "", "3d8f0a6b-52c9-4e17-b0e6-d49c1f7a8253"),
        ("0" * 32, "", "0" * 32),
        ("nonsense", "", "nonsense"),
        (None, "", ""),
    ],
)
def test_only_a_valid_trace_id_is_taken_as_one(given: str | None, kept: str, carried: str) -> None:
    data = payload("event_alert")
    data["data"]["event"]["contexts"]["trace"]["trace_id"] = given
    told = alert("event_alert", data)
    assert (told.trace_id, told.carriers.get("trace_id", "")) == (kept, carried)


def test_without_a_trace_context_the_failing_requests_own_trace_headers_are_handed_on() -> None:
    data = payload("event_alert")
    event = data["data"]["event"]
    event["contexts"] = {}
    traceparent = "00-3d8f0a6b52c94e17b0e6d49c1f7a8253-90ab12cd34ef5678-01"
    event["request"] = {"headers": [["Cookie", "session=1"], ["Traceparent", traceparent]], "cookies": "x"}
    assert alert("event_alert", data).carriers == {"traceparent": traceparent}


def test_at_most_64_tags_and_8_frames_are_kept() -> None:
    data = payload("event_alert")
    event = data["data"]["event"]
    event["tags"] = [[f"tag{n}", f"v{n}"] for n in range(300)]
    frame = {"filename": "a.py", "function": "f", "in_app": True}
    event["exception"]["values"][-1]["stacktrace"]["frames"] = [{**frame, "lineno": n} for n in range(200)]
    told = alert("event_alert", data)
    assert len([key for key in told.labels if key.startswith("tag")]) == 64
    assert told.details.splitlines() == [f"a.py:{n} in f" for n in range(199, 191, -1)]


def test_an_issue_id_is_found_in_the_link_when_the_field_is_missing() -> None:
    data = payload("event_alert")
    del data["data"]["event"]["issue_id"]
    assert alert("event_alert", data).fingerprint == alert("event_alert").fingerprint


def test_an_event_dated_in_the_future_is_taken_to_be_of_now() -> None:
    data = payload("event_alert")
    data["data"]["event"] |= {"datetime": "2031-01-01T00:00:00Z", "timestamp": 1924992000, "received": 1924992000}
    assert alert("event_alert", data).at == NOW + timedelta(seconds=1)


def test_a_machine_with_a_slow_clock_does_not_make_its_events_look_old() -> None:
    data = payload("event_alert")
    data["data"]["event"] |= {"datetime": "2026-03-01T00:00:00Z", "timestamp": 1772323200}
    assert alert("event_alert", data).at == alert("event_alert").at


# --- issues ----------------------------------------------------------------------------------------------

STATES = [
    ("issue-created", Status.FIRING, "SettlementMismatch: 정산 금액이 다릅니다: 주문 20260303-118"),
    ("issue-unresolved", Status.FIRING, "SettlementMismatch: 정산 금액이 다릅니다: 주문 20260303-118"),
    ("issue-resolved", Status.RESOLVED, "by Jiwoo Han, in the next release"),
    (
        "issue-ignored",
        Status.RESOLVED,
        "archived in Sentry by Jiwoo Han until it happens 250 more times within 30 min",
    ),
    ("issue-archived", Status.RESOLVED, "archived in Sentry by Jiwoo Han until it escalates"),
    ("issue-assigned", Status.NOTED, "assigned to Jiwoo Han"),
]


@pytest.mark.parametrize(("name", "status", "summary"), STATES)
def test_each_state_of_an_issue_is_told_in_words(name: str, status: Status, summary: str) -> None:
    told = alert(name)
    assert (told.status, told.summary, told.severity) == (status, summary, Severity.CRITICAL)
    assert (told.service, told.url) == ("settlement", "https://hanul-market.sentry.io/issues/7300451198/")
    assert "jiwoo@" not in msgspec.json.encode(told).decode()


def test_an_issue_alert_an_error_and_every_state_of_the_issue_are_one_problem() -> None:
    names = ["event_alert", "error-created", *(name for name, _, _ in STATES)]
    assert len({alert(name).fingerprint for name in names}) == 1
    elsewhere = source("sentry-eu").parse(signed(json.dumps(payload("event_alert")).encode(), "event_alert"))
    assert isinstance(elsewhere, list)
    assert elsewhere[0].fingerprint != alert("event_alert").fingerprint


def test_users_events_and_the_short_id_are_facts_in_order() -> None:
    assert alert("issue-unresolved").facts == {
        "Culprit": "settlement.ledger in close_day",
        "Users in Sentry": "41",
        "Events in Sentry": "63",
        "Short id": "SETTLEMENT-2M",
        "State in Sentry": "regressed",
    }
    assert alert("issue-ignored").facts["Archived in Sentry"] == "until it happens 250 more times within 30 min"
    assert alert("issue-assigned").facts["Assigned to"] == "Jiwoo Han"
    assert "State in Sentry" not in alert("issue-created").facts


@pytest.mark.parametrize(
    ("details", "substatus", "until"),
    [
        ({"ignoreUntil": "2026-03-05T00:30:00Z"}, "archived_until_condition_met", " until 2026-03-05 00:30 UTC"),
        ({"ignoreDuration": 120}, "archived_until_condition_met", " until 120 min have passed"),
        ({"ignoreUserCount": 5}, "archived_until_condition_met", " until it affects 5 more users"),
        ({}, "archived_forever", " for good"),
        ({}, "something new", ""),
        (None, None, ""),
    ],
)
def test_it_is_said_until_when_an_issue_is_archived(details: Any, substatus: str | None, until: str) -> None:
    data = payload("issue-archived")
    data["data"]["issue"] |= {"statusDetails": details, "substatus": substatus}
    assert alert("issue-archived", data).summary == f"archived in Sentry by Jiwoo Han{until}"


@pytest.mark.parametrize(
    ("kind", "release", "said"),
    [
        ("now", None, "by Jiwoo Han"),
        ("in_release", "settlement@6", "by Jiwoo Han, in release settlement@6"),
        ("by_magic", None, "by Jiwoo Han, by magic"),
        (None, None, "by Jiwoo Han"),
    ],
)
def test_it_is_said_how_an_issue_was_resolved(kind: str | None, release: str | None, said: str) -> None:
    data = payload("issue-resolved")
    data["data"]["resolution_type"] = kind
    data["data"]["issue"]["statusDetails"] = {"inRelease": release}
    assert alert("issue-resolved", data).summary == said


def test_an_assignee_without_a_name_is_someone_and_never_an_address() -> None:
    data = payload("issue-assigned")
    data["data"]["assignee"] |= {"name": "jiwoo@hanul-market.example"}
    assert alert("issue-assigned", data).summary == "assigned to someone"
    data["data"] |= {"assignee": {"type": "team", "name": "#batch", "id": 12}}
    assert alert("issue-assigned", data).summary == "assigned to #batch"


# --- times and order -------------------------------------------------------------------------------------

LAST_SEEN = datetime(2026, 3, 2, 23, 41, 55, 18000, tzinfo=UTC)
RECEIVED = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("hook", "at"),
    [
        (NOW, NOW),
        (NOW + timedelta(minutes=4), NOW + timedelta(minutes=4)),
        (LAST_SEEN.replace(microsecond=0), LAST_SEEN),
        (LAST_SEEN - timedelta(minutes=1), RECEIVED),
        (NOW + timedelta(minutes=6), RECEIVED),
        (None, RECEIVED),
    ],
    ids=["sensible", "slightly ahead", "whole seconds", "before the last event", "far ahead", "missing"],
)
def test_a_state_is_dated_by_the_hooks_timestamp_only_if_that_makes_sense(hook: datetime | None, at: datetime) -> None:
    for name in ("issue-resolved", "issue-unresolved", "issue-ignored", "issue-assigned"):
        assert alert(name, at=hook).at == at


@pytest.mark.parametrize("stamp", ["", "soon", "-5", "1e9", "99999999999999999999", "٣٤٥", "1772503200.5"])
def test_a_timestamp_that_is_none_is_passed_over(stamp: str) -> None:
    assert alert("issue-resolved", at=None, sentry_hook_timestamp=stamp).at == RECEIVED


def test_a_new_issue_is_dated_by_its_first_event() -> None:
    gap = alert("event_alert").at - alert("issue-created").at
    assert timedelta() <= gap < timedelta(seconds=1)


def test_an_issues_life_ends_the_same_in_any_order_of_arrival() -> None:
    life = [alert("issue-created"), alert("event_alert"), alert("issue-resolved", at=NOW)]
    again = alert("issue-unresolved", at=NOW + timedelta(minutes=1))
    for order in (life, life[::-1], [life[0], life[2], life[1]]):
        incident, _ = in_turn(*order)
        assert incident is not None
        assert not incident.open
        reopened, _ = in_turn(*order, again)
        assert reopened is not None
        assert reopened.open
    early, _ = in_turn(life[1], again, life[2])
    assert early is not None
    assert early.open


def test_the_trace_of_an_issue_alert_stays_when_the_issue_comes_back() -> None:
    incident, changes = in_turn(alert("event_alert"), alert("issue-resolved"), alert("issue-unresolved", at=RECEIVED))
    assert changes == [Change.OPENED, Change.RESOLVED, Change.REOPENED]
    assert incident is not None
    assert incident.trace_id == "3d8f0a6b52c94e17b0e6d49c1f7a8253"
    assert incident.environment == "staging-seoul"
    assert incident.details.startswith("settlement/ledger.py:166")


def test_a_request_delivered_twice_is_one_statement_and_a_state_entered_twice_is_two() -> None:
    first, again = alert("issue-resolved", at=NOW), alert("issue-resolved", at=NOW + timedelta(minutes=2))
    assert first.event_id == alert("issue-resolved", at=NOW).event_id
    assert first.event_id != again.event_id
    keys = [alert("issue-resolved", at=at, idempotency_key="ab12") for at in (NOW, NOW + timedelta(minutes=2))]
    assert keys[0].event_id == keys[1].event_id != first.event_id


def test_an_issue_is_created_once_whatever_the_headers_say() -> None:
    one, two = alert("issue-created", at=NOW), alert("issue-created", at=None, idempotency_key="x")
    assert one.event_id == two.event_id


# --- metric alerts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "severity", "summary"),
    [
        ("critical", Status.FIRING, Severity.CRITICAL, "0.31 failure_rate() in the last 5 minutes"),
        ("warning", Status.FIRING, Severity.WARNING, "0.08 failure_rate() in the last 5 minutes"),
        ("open", Status.FIRING, Severity.WARNING, "0.07 failure_rate() in the last 5 minutes"),
        ("resolved", Status.RESOLVED, Severity.WARNING, "0.01 failure_rate() in the last 5 minutes"),
    ],
)
def test_each_state_of_a_metric_alert(action: str, status: Status, severity: Severity, summary: str) -> None:
    told = alert(f"metric_alert-{action}")
    assert (told.status, told.severity, told.summary) == (status, severity, summary)
    assert (told.title, told.service, told.environment) == ("settlement failure rate", "settlement", "production")
    assert told.labels["level"] == action
    assert told.facts["Thresholds"] == "critical 0.2, warning 0.05, resolved 0.02"
    assert told.fingerprint == alert("metric_alert-critical").fingerprint != alert("event_alert").fingerprint


def test_a_metric_alert_worsens_eases_and_ends_in_the_order_sentry_told_it() -> None:
    minutes = iter(range(10, 60, 10))
    names = ("warning", "critical", "warning", "resolved")
    told = [alert(f"metric_alert-{name}", at=NOW - timedelta(minutes=60 - next(minutes))) for name in names]
    _, changes = in_turn(*told)
    assert changes == [Change.OPENED, Change.WORSENED, Change.EASED, Change.RESOLVED]
    late, _ = in_turn(told[0], told[3], told[1], told[2])
    assert late is not None
    assert not late.open


def test_without_a_hook_timestamp_a_metric_alert_is_dated_by_its_own_dates() -> None:
    assert alert("metric_alert-critical", at=None).at == datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    assert alert("metric_alert-resolved", at=None).at == datetime(2026, 3, 3, 1, 40, tzinfo=UTC)


def test_a_rule_that_was_edited_did_not_recover() -> None:
    data = payload("metric_alert-resolved")
    data["data"]["metric_alert"]["status_method"] = 2
    assert alert("metric_alert-resolved", data).summary.startswith("closed because its rule was edited; ")


# --- what is answered, not alerted, and what is wrong ----------------------------------------------------


@pytest.mark.parametrize("name", ["comment-created", "installation-created", "activity_alert"])
def test_hooks_about_no_problem_are_ignored(name: str) -> None:
    assert isinstance(read(name), Ignored)


@pytest.mark.parametrize("resource", ["seer", "preprod_artifact", "tomorrow's", "x" * 500])
def test_unknown_resources_are_ignored_whatever_they_hold(resource: str) -> None:
    ignored = source().parse(signed(b"not even json", resource))
    assert isinstance(ignored, Ignored)
    assert len(ignored.reason) < 120


@pytest.mark.parametrize(
    ("resource", "action"),
    [("issue", "deleted"), ("event_alert", "created"), ("error", "updated"), ("metric_alert", "snoozed")],
)
def test_unknown_actions_are_ignored(resource: str, action: str) -> None:
    parsed = source().parse(signed(json.dumps({"action": action, "data": []}).encode(), resource))
    assert parsed == Ignored(f"action {action} of {resource} is not one that opens or resolves anything")


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("event_alert", "metric_alert-critical"),
        ("issue", "error-created"),
        ("error", "issue-created"),
        ("metric_alert", "issue-resolved"),
    ],
)
def test_a_header_that_disagrees_with_the_body_is_not_believed(resource: str, name: str) -> None:
    data = payload(name)
    data["action"] = {"event_alert": "triggered", "metric_alert": "resolved"}.get(resource, "created")
    with pytest.raises(Unparseable, match=f"says {resource}, but the body has no data"):
        read(name, data, resource=resource)


@pytest.mark.parametrize(
    ("resource", "body", "says"),
    [
        ("", b"{}", "no Sentry-Hook-Resource header"),
        ("issue", b"", "not JSON"),
        ("issue", b"[]", "not a JSON object"),
        ("issue", b"{}", 'no "action"'),
        ("issue", b'{"action": "created", "data": {"issue": {"id": null}}}', "no id"),
        ("issue", b'{"action": "created", "data": {"issue": {"id": {}}}}', "no id"),
        ("event_alert", b'{"action": "triggered", "data": {"event": {}}}', "neither issue_id nor issue_url"),
        ("metric_alert", b'{"action": "open", "data": {"metric_alert": {"alert_rule": {}}}}', "no id"),
        ("issue", b'{"action": NaN}', "not JSON"),
        ("issue", b'{"action": "\xff"}', "not JSON"),
        ("issue", b'{"action": ' + b"9" * 6000 + b"}", "not JSON"),
        ("issue", b'{"action": "created", "data": ' + b"[" * 200_000, "not JSON"),
        ("issue", b'{"x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "not JSON"),
        ("issue", b'{"action": 1, "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
    ],
    ids=range(14),
)
def test_what_is_wrong_with_a_body_is_said(resource: str, body: bytes, says: str) -> None:
    with pytest.raises(Unparseable, match=says):
        source().parse(signed(body, resource))


def test_half_a_character_becomes_the_replacement_character() -> None:
    body = (
        json.dumps(payload("event_alert"))
        .encode()
        .replace(b'"title": "', rb'"title": "\ud83d\u1f980 \\ud800 \ud83d\ude80 ')
    )
    found = source().parse(signed(body, "event_alert"))
    assert isinstance(found, list)
    assert found[0].title.startswith("\ufffd\u1f980 \\ud800 \U0001f680 ")


# --- odd values ------------------------------------------------------------------------------------------

NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))


def swapped(value: Any, odd: Any) -> Any:
    """Return the value with everything but the essential fields replaced."""
    if not isinstance(value, dict):
        return odd
    return {k: v if k in ("action", "id", "issue_id") else swapped(v, odd) for k, v in value.items()}


@pytest.mark.parametrize("odd", [None, 17, -1.5, True, "", "결제 실패", [], [None], {}, [[1, {}]]], ids=repr)
@pytest.mark.parametrize("name", [n for n in NAMES if n.partition("-")[0] not in ("comment", "installation")])
def test_odd_values_in_optional_fields_cost_nothing_but_themselves(name: str, odd: Any) -> None:
    told, plain = read(name, swapped(payload(name), odd)), read(name)
    if not isinstance(plain, list):
        assert told == plain
        return
    assert isinstance(told, list)
    assert (told[0].fingerprint, told[0].status) == (plain[0].fingerprint, plain[0].status)
    assert told[0].title


def test_one_odd_field_leaves_the_others_as_they_are() -> None:
    data = payload("event_alert")
    event = data["data"]["event"]
    event |= {"release": {"version": 1}, "datetime": "yesterday", "level": 7}
    event["tags"] = [["region", "seoul"], "odd", ["three", 1, 2], {"key": "k", "value": "v"}, [None, "x"], None]
    event["exception"]["values"].insert(0, None)
    event["exception"]["values"][-1]["stacktrace"]["frames"][0] = 5
    told = alert("event_alert", data)
    assert told.labels["region"] == "seoul"
    assert told.severity is Severity.ERROR
    assert told.at == datetime(2026, 3, 2, 23, 12, 7, 900000, tzinfo=UTC)  # from `received`
    assert told.details.splitlines()[0] == "settlement/ledger.py:166 in close_day"
    assert told.trace_id == "3d8f0a6b52c94e17b0e6d49c1f7a8253"


def test_long_values_are_clipped_and_a_title_is_one_line() -> None:
    data = payload("event_alert")
    event = data["data"]["event"]
    event["title"] = "긴 제목\n" * 100_000
    event["exception"]["values"][-1]["value"] = "x" * 500_000
    event["web_url"] = "javascript:alert(1)"
    told = alert("event_alert", data)
    assert len(msgspec.json.encode(told)) < 8_000
    assert "\n" not in told.title
    assert told.url == ""


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
RESOURCES = ["event_alert", "error", "issue", "metric_alert", "comment", "seer", "nonsense"]


def outcome(body: bytes, resource: str) -> None:
    """Parse, and let only what the contract allows pass."""
    request = signed(body, resource)
    source().verify(request)
    try:
        parsed = source().parse(request)
    except Unparseable:
        return
    if isinstance(parsed, list):
        for told in parsed:
            assert told.at.tzinfo is not None
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Alert) == told
    else:
        assert isinstance(parsed, Ignored)


@given(ANYTHING, st.sampled_from(RESOURCES))
def test_any_json_under_a_right_signature_is_alerts_or_ignored_or_unparseable(value: Any, resource: str) -> None:
    outcome(json.dumps(value).encode(), resource)


@given(st.binary(max_size=300), st.sampled_from(RESOURCES))
def test_any_bytes_under_a_right_signature_are_alerts_or_ignored_or_unparseable(body: bytes, resource: str) -> None:
    outcome(body, resource)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, child in inner for place in places(child, (*path, key))]


DATES = st.sampled_from(["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "2026-13-01", "2026-03-03T00:00:00"])


@given(st.data(), st.sampled_from(NAMES))
def test_a_real_hook_with_anything_anywhere_keeps_to_the_contract(drawn: st.DataObject, name: str) -> None:
    value = payload(name)
    for _ in range(drawn.draw(st.integers(1, 3))):
        path = drawn.draw(st.sampled_from(places(value)[1:]))
        target = value
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = drawn.draw(ANYTHING | DATES | st.integers(-(10**30), 10**30))
    outcome(json.dumps(value).encode(), name.partition("-")[0])


# --- the sample ------------------------------------------------------------------------------------------


def posted(status: Status, now: datetime) -> Alert:
    sample = source().sample(status, now)
    request = Request(headers=sample.headers, body=sample.body, received_at=now, path_secret=sample.path_secret)
    source().verify(request)
    parsed = source().parse(request)
    assert isinstance(parsed, list)
    return parsed[0]


def test_the_samples_open_note_resolve_and_reopen_one_problem() -> None:
    start = datetime(2026, 5, 1, 9, 0, 0, 700_000, tzinfo=UTC)
    steps = [Status.FIRING, Status.FIRING, Status.NOTED, Status.RESOLVED, Status.FIRING]
    told = [posted(status, start + timedelta(milliseconds=100 * n)) for n, status in enumerate(steps)]
    incident, changes = in_turn(*told)
    assert changes == [Change.OPENED, Change.REPEATED, Change.NOTED, Change.RESOLVED, Change.REOPENED]
    assert incident is not None
    assert (incident.service, incident.environment, len(incident.trace_id)) == ("checkout-api", "production", 32)
    assert incident.details.splitlines()[0] == "checkout/pricing.py:57 in split_discount"


def test_the_same_sample_posted_again_is_a_duplicate() -> None:
    assert posted(Status.FIRING, NOW).event_id == posted(Status.FIRING, NOW).event_id
    assert posted(Status.FIRING, NOW).event_id != posted(Status.FIRING, NOW + timedelta(seconds=1)).event_id
