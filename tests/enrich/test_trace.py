from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.alert import Alert, Severity, Status
from bridge.enrich.trace import b3_64, datadog_decimal, from_id, from_pairs, from_text, traced, xray
from tests.machine import slowness

ID = "5e0c8f3a91d24b7786fa30c1d2e4b596"
LOW = "86fa30c1d2e4b596"
SPAN = "0a1b2c3d4e5f6071"
XRAY = "1-5e0c8f3a-91d24b7786fa30c1d2e4b596"
PADDED = "0" * 16 + LOW
DECIMAL = str(int(LOW, 16))
ZERO = "0" * 32


def alert(**given: Any) -> Alert:
    fields: dict[str, Any] = {
        "source": "s", "fingerprint": "f", "event_id": "e", "status": Status.FIRING, "severity": Severity.ERROR,
        "at": datetime(2026, 1, 1, tzinfo=UTC), "title": "t",
    }  # fmt: skip
    return Alert(**fields | given)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("traceparent", f"00-{ID}-{SPAN}-01", ID),
        ("traceparent", f"\t00-{ID}-{SPAN}-00 ", ID),
        ("traceparent", f"01-{ID}-{SPAN}-01-more", ID),
        ("traceparent", f"01-{ID}-{SPAN}-01", ID),
        ("traceparent", f"01-{ID}-{SPAN}-01more", ""),
        ("traceparent", f"00-{ID}-{SPAN}-01-more", ""),
        ("traceparent", f"ff-{ID}-{SPAN}-01", ""),
        ("traceparent", f"00-{ID.upper()}-{SPAN}-01", ""),
        ("traceparent", f"00-{ZERO}-{SPAN}-01", ""),
        ("traceparent", f"00-{ID}-{'0' * 16}-01", ""),
        ("traceparent", f"00-{ID}-{SPAN}", ""),
        ("traceparent", f"00-{ID[:-1]}-{SPAN}-01", ""),
        ("sentry-trace", f"{ID}-{SPAN}-1", ID),
        ("sentry-trace", f"{ID}-{SPAN}", ID),
        ("sentry-trace", ID, ID),
        ("sentry-trace", f"00-{ID}-{SPAN}-00", ID),
        ("sentry-trace", f" ,{ID}-{SPAN}-0, {'a' * 32}-{SPAN}-1", ID),
        ("sentry-trace", f"{ZERO}-{SPAN}-1", ""),
        ("sentry-trace", "-1", ""),
        ("baggage", f"a=1, sentry-trace_id={ID} ,sentry-release=2", ID),
        ("baggage", f"not-sentry-trace_id={ID}", ""),
        ("X-Amzn-Trace-Id", f"Root={XRAY};Parent={SPAN};Sampled=1", ID),
        ("X-Amzn-Trace-Id", f"Self=1-00000001-000000000000000000000001; root={XRAY}", ID),
        ("X-Amzn-Trace-Id", f"Sampled=?;Root={XRAY};Lineage=1:a:0", ID),
        ("X-Amzn-Trace-Id", XRAY.upper(), ID),
        ("X-Amzn-Trace-Id", f"Root=2{XRAY[1:]}", ""),
        ("X-Amzn-Trace-Id", f"Root=1-{'0' * 8}-{'0' * 24}", ""),
        ("X-Amzn-Trace-Id", f"Parent={SPAN}", ""),
        ("b3", f"{ID}-{SPAN}-1", ID),
        ("b3", f"{ID}-{SPAN}-d-{SPAN}", ID),
        ("b3", f"{LOW.upper()}-{SPAN}", PADDED),
        ("b3", f"{ID}-{SPAN}-2", ""),
        ("b3", f"{ID}-{'0' * 16}-1", ""),
        ("b3", "0", ""),
        ("X-Cloud-Trace-Context", f"{ID}/123;o=1", ID),
        ("X-Cloud-Trace-Context", ID.upper(), ID),
        ("X-Cloud-Trace-Context", f"{ID}/{1 << 64}", ""),
        ("X-Cloud-Trace-Context", f"{ZERO}/1", ""),
        ("uber-trace-id", f"{ID}:{SPAN}:0:1", ID),
        ("uber-trace-id", f"{ID}%3A{SPAN}%3a0%3A1", ID),
        ("uber-trace-id", "7b:1:0:1", "7b".rjust(32, "0")),
        ("uber-trace-id", f"0:{SPAN}:0:1", ""),
        ("uber-trace-id", f"{ID}:0:0:1", ""),
        ("uber-trace-id", f"{ID}:{SPAN}:0", ""),
        ("x-datadog-trace-id", DECIMAL, PADDED),
        ("x-datadog-trace-id", "0", ""),
        ("x-datadog-trace-id", str(1 << 64), ""),
        ("x-datadog-trace-id", "12ab", ""),
        ("dd.trace_id", DECIMAL, PADDED),
        ("dd.trace_id", "4611686018427387", f"{4611686018427387:032x}"),
        ("dd.trace_id", ID, ID),
        ("trace", f"projects/acme/traces/{ID}", ID),
        ("trace", ID, ID),
        ("logging.googleapis.com/trace", f"projects/acme/traces/{ID}", ID),
        ("trace", "yes", ""),
    ],
)  # fmt: skip
def test_each_carrier_is_read_by_its_own_rules(name: str, value: str, expected: str) -> None:
    assert from_pairs({name: value}) == expected
    assert traced(alert(carriers={name: value})).trace_id == expected


@pytest.mark.parametrize("name", ["trace_id", "traceID", "traceId", "trace.id", "Trace ID", "TRACE-ID", "X-Trace-Id"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ID, ID),
        (f" {ID.upper()} ", ID),
        (LOW, PADDED),
        ("5e0c8f3a-91d2-4b77-86fa-30c1d2e4b596", ID),
        (XRAY, ID),
        (DECIMAL, PADDED),
        (ZERO, ""),
        ("order-8841", ""),
        (ID + "0", ""),
        (ID[:31], ""),
        ("", ""),
    ],
)
def test_a_plain_trace_id_is_read_under_any_spelling_of_its_name(name: str, value: str, expected: str) -> None:
    assert from_pairs({name: value}) == expected


@pytest.mark.parametrize("name", ["X-Request-ID", "X-Correlation-ID", "request_id", "span_id", "traceback", "b3sum"])
def test_other_ids_are_never_taken_for_a_trace(name: str) -> None:
    assert from_pairs({name: ID}) == ""
    assert traced(alert(labels={name: ID}, facts={name: ID}, carriers={name: ID})).trace_id == ""


def test_b3_headers_need_a_span_id() -> None:
    assert from_pairs({"X-B3-TraceId": ID, "X-B3-SpanId": SPAN}) == ID
    assert from_pairs({"x_b3_traceid": LOW.upper(), "x_b3_spanid": SPAN}) == PADDED
    assert from_pairs({"X-B3-TraceId": ID}) == ""
    assert from_pairs({"X-B3-TraceId": ID, "X-B3-SpanId": "0" * 16}) == ""


def test_datadogs_upper_half_completes_its_decimal_id() -> None:
    tags = {"x-datadog-tags": f"_dd.p.dm=-1,_dd.p.tid={ID[:16]}"}
    assert from_pairs({"x-datadog-trace-id": DECIMAL} | tags) == ID
    assert from_pairs({"dd.trace_id": DECIMAL, "_dd.p.tid": ID[:16]}) == ID
    assert from_pairs({"x-datadog-trace-id": DECIMAL, "x-datadog-tags": "_dd.p.tid=" + "0" * 16}) == PADDED


def test_of_several_carriers_the_stricter_standard_wins_and_an_invalid_one_is_passed_over() -> None:
    other = "b" * 32
    both = {"trace_id": other, "traceparent": f"00-{ID}-{SPAN}-01"}
    assert from_pairs(both) == ID
    assert from_pairs(both | {"traceparent": "00-broken"}) == other


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{{"level":"ERROR","trace_id":"{ID}"}}', ID),
        (f'{{"trace.id": "{ID}"}}', ID),
        (f'{{\\"traceId\\":\\"{ID}\\"}}', ID),
        (f"ratio is 7% (traceID={ID})", ID),
        (f"Trace ID: {ID.upper()}.", ID),
        (f"TRACE_ID={ID}", ID),
        (f"failed (trace {ID})", ID),
        (f"trace_id => '{LOW}'", PADDED),
        ("trace-id: 5e0c8f3a-91d2-4b77-86fa-30c1d2e4b596", ID),
        (f"traceparent: 00-{ID}-{SPAN}-01", ID),
        (f'"traceparent":"00-{ID}-{SPAN}-01"', ID),
        (f"sentry-trace: {ID}-{SPAN}-1", ID),
        (f"X-Cloud-Trace-Context: {ID}/12;o=1", ID),
        (f"uber-trace-id={ID}:{SPAN}:0:1", ID),
        (f"X-Amzn-Trace-Id: Self=1-00000001-{'1' * 24};Root={XRAY}", ID),
        (f"see {XRAY} in X-Ray", ID),
        (f"dd.service=x dd.trace_id={DECIMAL} dd.span_id=1", PADDED),
        ("dd.trace_id=1234 dd.span_id=1", f"{1234:032x}"),
        (f"trace_id={ZERO} then trace_id={ID}", ID),
        (f"traceparent: ff-{ID}-{SPAN}-01", ""),
        (f"trace_id={ZERO}", ""),
        (f"trace_id={ID}ab", ""),
        (f"backtrace of {ID}", ""),
        (f"image sha256:{ID}{ID}", ""),
        (f"md5 {ID}", ""),
        (f"request_id={ID}", ""),
        (f"x{XRAY}", ""),
        ("Traceback (most recent call last):", ""),
        ("trace_id=none", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_text_names_its_trace(text: str, expected: str) -> None:
    assert from_text(text) == expected
    for field in ("title", "summary", "details"):
        assert traced(alert(**{field: text})).trace_id == expected


def test_the_first_place_with_a_valid_id_wins() -> None:
    ids = [digit * 32 for digit in "123456789"]
    places: list[dict[str, Any]] = [
        {"trace_id": ids[0]}, {"carriers": {"trace_id": ids[1]}}, {"labels": {"trace_id": ids[2]}},
        {"facts": {"Trace ID": ids[3]}}, {"title": f"trace_id={ids[4]}"}, {"summary": f"trace_id={ids[5]}"},
        {"details": f"trace_id={ids[6]}"},
    ]  # fmt: skip
    for place in range(len(places)):
        given: dict[str, Any] = {}
        for fields in places[place:]:
            given |= fields
        assert traced(alert(**given)).trace_id == ids[place]


def test_the_sources_own_id_is_brought_into_normal_form_or_replaced_when_it_is_none() -> None:
    assert traced(alert(trace_id=ID.upper())).trace_id == ID
    assert traced(alert(trace_id=ZERO, labels={"trace_id": ID})).trace_id == ID
    assert traced(alert(trace_id="odd")).trace_id == ""


def test_carriers_are_emptied_and_nothing_else_changes() -> None:
    before = alert(carriers={"traceparent": "x", "cookie": "secret"}, labels={"a": "b"}, title="x")
    after = traced(before)
    assert after.carriers == {}
    assert msgspec.structs.replace(after, carriers=before.carriers) == before


def test_an_alert_without_a_trace_is_returned_as_it_is() -> None:
    plain = alert(labels={"alertname": "x"})
    assert traced(plain) is plain


def test_the_forms_other_systems_write() -> None:
    assert xray(ID) == XRAY
    assert datadog_decimal(ID) == DECIMAL
    assert b3_64(ID) == LOW


HEX = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda digits: digits[16:] != "0" * 16)


@given(HEX)
def test_every_form_leads_back_to_the_same_id(trace_id: str) -> None:
    assert from_id(trace_id) == from_id(xray(trace_id)) == trace_id
    assert from_pairs({"traceparent": f"00-{trace_id}-{SPAN}-01"}) == trace_id
    datadog = {"x-datadog-trace-id": datadog_decimal(trace_id), "x-datadog-tags": f"_dd.p.tid={trace_id[:16]}"}
    assert from_pairs(datadog) == trace_id
    assert from_id(b3_64(trace_id)) == trace_id[16:].rjust(32, "0")
    assert from_text(f"trace_id={trace_id}") == trace_id


NAMES = st.sampled_from(
    ["traceparent", "sentry-trace", "baggage", "X-Amzn-Trace-Id", "b3", "X-B3-TraceId", "x-b3-spanid", "uber-trace-id",
     "X-Cloud-Trace-Context", "dd.trace_id", "x-datadog-trace-id", "x-datadog-tags", "trace_id", "trace"]
) | st.text(max_size=10)  # fmt: skip
VALUES = st.text(max_size=60) | st.text("0123456789abcdefABCDEF-:/;=%, \n", max_size=70)


@given(st.dictionaries(NAMES, VALUES, max_size=4), VALUES)
def test_whatever_arrives_the_result_is_empty_or_a_valid_id(pairs: dict[str, str], text: str) -> None:
    for found in (from_pairs(pairs), from_text("trace_id=" + text), from_text(text), from_id(text)):
        assert found == "" or (re.fullmatch("[0-9a-f]{32}", found) and found != ZERO)


def test_a_search_that_finds_nothing_is_quick_whatever_the_text() -> None:
    hostile = [
        "trace_id=" * 20_000,
        "race" * 50_000,
        "1-" * 100_000,
        "traceparent: 00-" * 10_000,
        "trace" + " " * 200_000,
    ]
    started = time.process_time()
    for text in hostile:
        assert from_text(text) == ""
    assert time.process_time() - started < 1 * slowness()
