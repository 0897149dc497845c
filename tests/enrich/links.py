"""Incidents to link from, and readers of what consoles keep in their addresses."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Severity, Status, fingerprint
from bridge.domain.incident import Incident
from bridge.enrich.links import LINKS, LinkOptions, Links

TRACE = "7c9e5a1d3b4f48c2a6d0e1f2039485b7"
FIRED = datetime(2025, 11, 3, 10, 15, tzinfo=UTC)
START, END = "2025-11-03T10:00:00.000Z", "2025-11-03T10:35:00.000Z"
START_MS, END_MS = 1762164000000, 1762166100000
QUARTER = timedelta(minutes=15)
JAEGER = "https://jaeger.example.com"
GRAFANA = "https://grafana.example.com"
KIBANA = "https://kibana.example.com"
ENOUGH: dict[str, dict[str, Any]] = {
    "jaeger": {"url": JAEGER},
    "zipkin": {"url": "https://zipkin.example.com"},
    "tempo": {"url": GRAFANA, "datasource": "tempo-prod"},
    "xray": {},
    "gcp_trace": {},
    "datadog_trace": {},
    "kibana_apm": {"url": KIBANA},
    "sentry_trace": {"url": "https://acme.sentry.io"},
    "loki": {"url": GRAFANA, "datasource": "loki-prod"},
    "kibana": {"url": KIBANA, "index": "logs-prod"},
    "cloudwatch_insights": {"log_groups": ["/ecs/{{ service }}"]},
    "cloudwatch_logs": {"log_group": "/ecs/{{ service }}"},
    "gcp_logging": {},
    "datadog_logs": {},
    "url": {"url": "https://wiki.example.com/{{ service }}?t={{ trace_id }}"},
}


def incident(**changes: Any) -> Incident:
    """Return an incident that fired at 10:15 and was last seen at 10:20, with these things otherwise."""
    alert = Alert(
        source="alertmanager",
        fingerprint=fingerprint("cart"),
        event_id="1",
        status=Status.FIRING,
        severity=Severity.ERROR,
        at=FIRED,
        title="Checkout is slow",
        service="cart-api",
        environment="prod",
        labels={"namespace": "shop", "k8s.pod": "cart-0", "region": "eu-west-1", "project_id": "acme-prod"},
        trace_id=TRACE,
    )
    made, _ = advance(None, alert, set(), timedelta(hours=24))
    assert made is not None
    return msgspec.structs.replace(made, **{"last_seen": FIRED + timedelta(minutes=5), **changes})


def options(kind: str, **given: Any) -> LinkOptions:
    """Return a link's options as the config gives them."""
    return LINKS[kind].model_validate({"label": "Look", "kind": kind} | given)


def link(kind: str, about: Incident | None = None, **given: Any) -> str | None:
    """Return the address that such a link has, long after the incident, or None when there is none."""
    links = Links([options(kind, **given)], QUARTER, QUARTER)
    built = links.build(about or incident(), FIRED + timedelta(days=1))
    return built[0].url if built else None


def pane(url: str) -> dict[str, Any]:
    """Return the only pane of a page of Grafana Explore."""
    (raw,) = parse_qs(urlsplit(url).query, strict_parsing=True)["panes"]
    (only,) = json.loads(raw).values()
    assert isinstance(only, dict)
    return only


def read_rison(text: str) -> Any:
    """Return the value of a rison text, not percent-encoded."""
    value, rest = _rison(text)
    assert rest == "", rest
    return value


def _rison(text: str) -> tuple[Any, str]:
    if text.startswith("!("):
        return _rison_items(text[2:])
    if text.startswith("!"):
        return {"t": True, "f": False, "n": None}[text[1]], text[2:]
    if text.startswith("("):
        return _rison_pairs(text[1:])
    if text.startswith("'"):
        match = re.match(r"'((?:[^'!]|!['!])*)'", text)
        assert match, text
        return re.sub(r"!(.)", r"\1", match[1]), text[match.end() :]
    match = re.match(r"[^'!:(),*@$ ]+", text)
    assert match, text
    return int(match[0]) if match[0].isdigit() else match[0], text[match.end() :]


def _rison_items(text: str) -> tuple[list[Any], str]:
    items = []
    while not text.startswith(")"):
        item, text = _rison(text.removeprefix(","))
        items.append(item)
    return items, text[1:]


def _rison_pairs(text: str) -> tuple[dict[str, Any], str]:
    pairs = {}
    while not text.startswith(")"):
        key, text = _rison(text.removeprefix(","))
        assert text.startswith(":"), text
        pairs[key], text = _rison(text[1:])
    return pairs, text[1:]


def states(url: str) -> dict[str, Any]:
    """Return the rison states (_g, _a, _q) of a page of Kibana or OpenSearch Dashboards."""
    pairs = urlsplit(url).fragment.split("?", 1)[1].split("&")
    return {k: read_rison(unquote(v)) for k, v in (pair.split("=", 1) for pair in pairs)}


def read_jsurl(text: str) -> Any:
    """Return the value of a JSURL text (version 1)."""
    value, rest = _jsurl(text)
    assert rest == "", rest
    return value


def _jsurl(text: str) -> tuple[Any, str]:
    assert text.startswith("~"), text
    if text.startswith("~'"):
        raw, rest = _upto(text[2:])
        return _unstar(raw), rest
    if not text.startswith("~("):
        raw, rest = _upto(text[1:])
        return {"true": True, "false": False, "null": None}[raw] if raw.isalpha() else int(raw), rest
    return _jsurl_items(text[2:]) if text[2] == "~" else _jsurl_pairs(text[2:])


def _upto(text: str) -> tuple[str, str]:
    end = next(i for i, c in enumerate(text + ")") if c in "~)")
    return text[:end], text[end:]


def _jsurl_items(text: str) -> tuple[list[Any], str]:
    items = []
    while not text.startswith(")"):
        item, text = _jsurl(text)
        items.append(item)
    return items, text[1:]


def _jsurl_pairs(text: str) -> tuple[dict[str, Any], str]:
    pairs = {}
    while not text.startswith(")"):
        match = re.match(r"~?((?:[\w.-]|\*)+)", text)
        assert match, text
        pairs[_unstar(match[1])], text = _jsurl(text[match.end() :])
    return pairs, text[1:]


def _unstar(text: str) -> str:
    units = (
        int(a or b, 16) if a or b else ord(c) for a, b, c in re.findall(r"\*\*([0-9a-f]{4})|\*([0-9a-f]{2})|(.)", text)
    )
    return b"".join(unit.to_bytes(2) for unit in units).decode("utf-16-be")


def insights(url: str) -> dict[str, Any]:
    """Return what a page of Logs Insights is asked."""
    asked = read_jsurl(url.split("queryDetail$3D", 1)[1])
    assert isinstance(asked, dict)
    return asked


def strings(query: str, unescape: Callable[[str], str]) -> Iterator[str]:
    """Yield what the double-quoted strings of a query mean; fail if a quote is left open."""
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", query, flags=re.DOTALL)
    assert '"' not in rest, query
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"', query, flags=re.DOTALL):
        yield unescape(match[1])


def c_string(text: str) -> str:
    """Unescape as Go, KQL and Google do for what the bridge writes."""
    assert "\n" not in text, "a raw newline would end the string"
    value = ast.literal_eval('"' + text + '"')
    assert isinstance(value, str)
    return value


def backslashes(text: str) -> str:
    """Unescape where a backslash means the character behind it."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
