"""The exact address that every kind of link has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.enrich.links import (
    END,
    END_MS,
    ENOUGH,
    GRAFANA,
    JAEGER,
    KIBANA,
    START,
    START_MS,
    TRACE,
    incident,
    insights,
    link,
    pane,
    states,
)

AWS = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#"
GCP = "https://console.cloud.google.com"
WINDOW = f"start$3D{START_MS}$26end$3D{END_MS}"
RISON_G = f"(filters:!(),refreshInterval:(pause:!t,value:0),time:(from:'{START}',to:'{END}'))"
NO_TRACE = incident(trace_id="")


@pytest.mark.parametrize(
    ("kind", "given", "url"),
    [
        ("jaeger", {"url": JAEGER + "/"}, f"{JAEGER}/trace/{TRACE}"),
        ("jaeger", {"url": "http://ops:16686/jaeger/"}, f"http://ops:16686/jaeger/trace/{TRACE}"),
        ("zipkin", {"url": "https://z.example.com"}, f"https://z.example.com/zipkin/traces/{TRACE}"),
        ("zipkin", {"url": "https://z.example.com/zipkin"}, f"https://z.example.com/zipkin/traces/{TRACE}"),
        ("xray", {}, AWS + "xray:traces/1-7c9e5a1d-3b4f48c2a6d0e1f2039485b7"),
        ("gcp_trace", {}, f"{GCP}/traces/explorer;traceId={TRACE}?project=acme-prod"),
        ("gcp_trace", {"project": "blue-1"}, f"{GCP}/traces/explorer;traceId={TRACE}?project=blue-1"),
        ("datadog_trace", {}, f"https://app.datadoghq.com/apm/trace/{TRACE}"),
        ("datadog_trace", {"url": "https://us3.datadoghq.com/"}, f"https://us3.datadoghq.com/apm/trace/{TRACE}"),
        (
            "kibana_apm",
            {"url": KIBANA + "/kb", "space": "on call"},
            (
                f"{KIBANA}/kb/s/on%20call/app/apm/link-to/trace/{TRACE}"
                "?rangeFrom=2025-11-03T10%3A00%3A00.000Z&rangeTo=2025-11-03T10%3A35%3A00.000Z"
            ),
        ),
        (
            "sentry_trace",
            {"url": "https://acme.sentry.io"},
            f"https://acme.sentry.io/explore/traces/trace/{TRACE}/?timestamp=1762164900",
        ),
        (
            "sentry_trace",
            {"url": "https://sentry.example.com", "organization": "acme"},
            f"https://sentry.example.com/organizations/acme/explore/traces/trace/{TRACE}/?timestamp=1762164900",
        ),
        (
            "url",
            {"url": "https://wiki.example.com/runbooks/{{ title }}?ns={{ labels.namespace }}&at={{ start|epoch }}"},
            "https://wiki.example.com/runbooks/Checkout%20is%20slow?ns=shop&at=1762164000",
        ),
    ],
)
def test_a_trace_or_page_has_exactly_this_address(kind: str, given: dict[str, Any], url: str) -> None:
    assert link(kind, **given) == url


@pytest.mark.parametrize(
    ("kind", "given", "url"),
    [
        (
            "loki",
            {"url": GRAFANA + "/grafana/", "datasource": "loki-prod", "query": '{app="{{ service }}"}', "org_id": 7},
            (
                f"{GRAFANA}/grafana/explore?schemaVersion=1&panes=%7B%22a%22%3A%7B%22datasource%22%3A%22loki-prod%22%2C"
                "%22queries%22%3A%5B%7B%22refId%22%3A%22A%22%2C%22datasource%22%3A%7B%22type%22%3A%22loki%22%2C"
                "%22uid%22%3A%22loki-prod%22%7D%2C%22editorMode%22%3A%22code%22%2C%22expr%22%3A%22%7Bapp%3D%5C%22"
                "cart-api%5C%22%7D%22%2C%22queryType%22%3A%22range%22%7D%5D%2C%22range%22%3A%7B%22from%22%3A%22"
                "1762164000000%22%2C%22to%22%3A%221762166100000%22%7D%7D%7D&orgId=7"
            ),
        ),
        (
            "tempo",
            {"url": GRAFANA, "datasource": "tempo-prod"},
            (
                f"{GRAFANA}/explore?schemaVersion=1&panes=%7B%22a%22%3A%7B%22datasource%22%3A%22tempo-prod%22%2C"
                "%22queries%22%3A%5B%7B%22refId%22%3A%22A%22%2C%22datasource%22%3A%7B%22type%22%3A%22tempo%22%2C"
                f"%22uid%22%3A%22tempo-prod%22%7D%2C%22queryType%22%3A%22traceql%22%2C%22query%22%3A%22{TRACE}%22%7D%5D"
                "%2C%22range%22%3A%7B%22from%22%3A%221762164000000%22%2C%22to%22%3A%221762166100000%22%7D%7D%7D&orgId=1"
            ),
        ),
        (
            "kibana",
            {
                "url": KIBANA,
                "index": "logs-*",
                "space": "ops",
                "columns": ["service.name", "message"],
                "query": 'trace.id : "{{ trace_id }}" and not message : "it\'s fine!"',
            },
            (
                f"{KIBANA}/s/ops/app/discover#/?_g={RISON_G}&_a=(columns:!(service.name,message),filters:!(),"
                f"index:'logs-*',interval:auto,query:(language:kuery,query:'trace.id%20:%20%22{TRACE}%22%20and%20not%20"
                "message%20:%20%22it!'s%20fine!!%22'),sort:!(!('@timestamp',desc)))"
            ),
        ),
        (
            "kibana",
            {
                "url": "https://logs.example.com/_dashboards",
                "product": "opensearch",
                "index": "7b1e-prod",
                "query": 'trace_id : "{{ trace_id }}"',
            },
            (
                "https://logs.example.com/_dashboards/app/data-explorer/discover#?_a=(discover:(columns:!(message),"
                f"isDirty:!f,sort:!()),metadata:(indexPattern:'7b1e-prod',view:discover))&_g={RISON_G}&_q=(filters:!(),"
                f"query:(language:kuery,query:'trace_id%20:%20%22{TRACE}%22'))"
            ),
        ),
        (
            "cloudwatch_insights",
            {
                "log_groups": ["/ecs/{{ service }}", "arn:aws:logs:eu-west-1:111122223333:log-group:/lambda/pay:*"],
                "query": 'fields @message\n| filter app = "{{ service }}" and cost > 5',
            },
            (
                f"{AWS}logsV2:logs-insights$3FqueryDetail$3D~(end~'2025-11-03T10*3a35*3a00.000Z~start~'2025-11-03T10*3a00"
                "*3a00.000Z~timeType~'ABSOLUTE~tz~'UTC~editorString~'fields*20*40message*0a*7c*20filter*20app*20*3d*20"
                "*22cart-api*22*20and*20cost*20*3e*205~isLiveTail~false~source~(~'*2fecs*2fcart-api~'arn*3aaws*3alogs"
                "*3aeu-west-1*3a111122223333*3alog-group*3a*2flambda*2fpay))"
            ),
        ),
        (
            "cloudwatch_logs",
            {"log_group": "/ecs/{{ service }}"},
            (
                f"{AWS}logsV2:log-groups/log-group/$252Fecs$252Fcart-api/log-events$3FfilterPattern$3D$2522{TRACE}$2522"
                f"$26{WINDOW}"
            ),
        ),
        (
            "cloudwatch_logs",
            {"log_group": "/aws/lambda/pay", "log_stream": "2025/11/03/[$LATEST]0a1b", "filter": '"{{ service }}"'},
            (
                f"{AWS}logsV2:log-groups/log-group/$252Faws$252Flambda$252Fpay/log-events/2025$252F11$252F03$252F$255B"
                f"$2524LATEST$255D0a1b$3FfilterPattern$3D$2522cart-api$2522$26{WINDOW}"
            ),
        ),
        (
            "gcp_logging",
            {"query": 'resource.type="k8s_container"\nresource.labels.namespace_name="{{ labels.namespace }}"'},
            (
                f"{GCP}/logs/query;query=resource.type%3D%22k8s_container%22%0Aresource.labels.namespace_name%3D%22shop%22"
                f";startTime={START};endTime={END}?project=acme-prod"
            ),
        ),
        (
            "datadog_logs",
            {"url": "https://app.datadoghq.eu", "query": 'service:{{ service }} @trace_id:"{{ trace_id }}"'},
            (
                f"https://app.datadoghq.eu/logs?query=service%3Acart-api%20%40trace_id%3A%22{TRACE}%22"
                f"&from_ts={START_MS}&to_ts={END_MS}&live=false"
            ),
        ),
    ],
)
def test_logs_have_exactly_this_address(kind: str, given: dict[str, Any], url: str) -> None:
    assert link(kind, **given) == url


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("ap-northeast-2", "ap-northeast-2.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_the_console_is_the_one_of_the_regions_partition(region: str, host: str) -> None:
    expected = f"https://{host}/cloudwatch/home?region={region}#xray:traces/1-7c9e5a1d-3b4f48c2a6d0e1f2039485b7"
    assert link("xray", region=region) == expected
    assert link("xray", incident(labels={"region": region})) == expected


def test_without_a_trace_the_default_queries_ask_for_the_service() -> None:
    loki, kibana = (link(kind, NO_TRACE, **ENOUGH[kind]) or "" for kind in ("loki", "kibana"))
    assert pane(loki)["queries"][0]["expr"] == '{service_name="cart-api"}'
    assert states(kibana)["_a"]["query"]["query"] == 'service.name : "cart-api"'
    asked = insights(link("cloudwatch_insights", NO_TRACE, **ENOUGH["cloudwatch_insights"]) or "")
    assert asked["editorString"] == "fields @timestamp, @message\n| sort @timestamp desc\n| limit 200"
    assert "filterPattern" not in (link("cloudwatch_logs", NO_TRACE, log_group="/ecs/pay") or "filterPattern")
    assert "service_name%3D%22cart-api%22%20OR%20" in (link("gcp_logging", NO_TRACE) or "")
    assert "query=service%3A%22cart-api%22%20env%3A%22prod%22&" in (link("datadog_logs", NO_TRACE) or "")


def test_with_a_trace_the_default_queries_ask_for_it() -> None:
    loki, kibana = (link(kind, **ENOUGH[kind]) or "" for kind in ("loki", "kibana"))
    assert pane(loki)["queries"][0]["expr"] == f'{{service_name="cart-api"}} |= "{TRACE}"'
    assert states(kibana)["_a"]["query"]["query"] == f'trace.id : "{TRACE}"'
    asked = insights(link("cloudwatch_insights", **ENOUGH["cloudwatch_insights"]) or "")["editorString"]
    wanted = f'| filter @message like "{TRACE}" or @message like "1-7c9e5a1d-3b4f48c2a6d0e1f2039485b7"\n'
    assert wanted in asked
    assert f"trace%3D%22projects%2Facme-prod%2Ftraces%2F{TRACE}%22" in (link("gcp_logging") or "")
    assert f"query=%40trace_id%3A%22{TRACE}%22&" in (link("datadog_logs") or "")
