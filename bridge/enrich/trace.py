"""Find the trace id an alert belongs to, in whatever form it travels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec

from bridge.domain.alert import Alert

Finder = Callable[[Mapping[str, str]], str]
"""Reads a trace id out of headers or labels whose names are folded: lower case, nothing between the words."""

_ZERO32, _ZERO16 = "0" * 32, "0" * 16
_BETWEEN = re.compile(r"[-_. ]+")
_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{16}")
_HEX16 = re.compile(r"[0-9a-fA-F]{16}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DECIMAL = re.compile(r"[0-9]{1,20}")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.DOTALL)
_XRAY = re.compile(r"1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
_B3 = re.compile(r"([0-9a-fA-F]{32}|[0-9a-fA-F]{16})-([0-9a-fA-F]{16})(?:-[01d](?:-[0-9a-fA-F]{16})?)?")
_CLOUD = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=[0-9]+)?")
_UBER = re.compile(r"([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):[0-9a-fA-F]{1,16}:[0-9a-fA-F]{1,2}")
_SENTRY = re.compile(r"([0-9a-f]{32})(?:-?[0-9a-f]{16})?(?:-?[01])?")
_BAGGAGE = re.compile(r"(?:^|,)\s*sentry-trace_id=([0-9a-f]{32})\s*(?=[,;]|$)")
_TID = re.compile(r"(?:^|,)_dd\.p\.tid=([0-9a-f]{16})(?:,|$)")

# A pattern that begins with literal text is searched many times faster, so "race" comes first and the t is looked
# back at. Only labelled ids count: a 32-hex word by itself is more often an image digest or an MD5.
_LABELLED = r"""%(race)s(?<=[tT]%(race)s)(?:
    (?:parent|PARENT)["'\\\s:=>]{1,8}(?P<parent>[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-\S*)?)(?!\w)
  | [-_.\s]?[iI][dD]["'\\\s:=>]{1,8}(?P<id>
        [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[0-9a-fA-F]{16}|[0-9]{17,20})(?!\w)
  | (?:[-_.\s](?:context|CONTEXT|Context))?["'\\\s:=>]{1,8}(?P<bare>[0-9a-fA-F]{32})(?!\w)
)"""
_LOWER = re.compile(_LABELLED % {"race": "race"}, re.VERBOSE)
_UPPER = re.compile(_LABELLED % {"race": "RACE"}, re.VERBOSE)
_DATADOG_TEXT = re.compile(r"""dd\.trace_id["'\\\s:=>]{1,8}([0-9a-f]{32}|[0-9]{1,20})(?!\w)""")
_XRAY_TEXT = re.compile(r"1-(?<!\w1-)(?<!Self=1-)([0-9a-fA-F]{8})-([0-9a-fA-F]{24})(?!\w)")


def traced(alert: Alert) -> Alert:
    """Return the alert with its trace id in normal form, where one can be found, and without its carriers.

    Looked for in this order, the first valid one counts: the id the source gave, carriers, labels, facts, then the
    text of title, summary and details. Request and correlation ids are no trace ids and never become one.
    """
    found = from_id(alert.trace_id) if alert.trace_id else ""
    found = found or from_pairs(alert.carriers) or _elsewhere(alert)
    if found == alert.trace_id and not alert.carriers:
        return alert
    return msgspec.structs.replace(alert, trace_id=found, carriers={})


def _elsewhere(alert: Alert) -> str:
    return (
        from_pairs(alert.labels)
        or from_pairs(alert.facts)
        or from_text(alert.title)
        or from_text(alert.summary)
        or from_text(alert.details)
    )


def from_pairs(pairs: Mapping[str, str]) -> str:
    """Return the trace id in headers, labels or tags, or ""; names in any case and with -, _, . or nothing between.

    Several carriers are read in this order: W3C, Sentry, X-Ray, B3, Google Cloud, Jaeger, a plain trace id, Datadog.
    """
    names = "\n".join(pairs).lower()
    if "trace" not in names and "b3" not in names and "baggage" not in names:
        return ""
    folded = {_BETWEEN.sub("", name.lower()): value.strip() for name, value in pairs.items()}
    return next((trace_id for find in _FINDERS if (trace_id := find(folded))), "")


def from_text(text: str) -> str:
    """Return the first trace id a text names as one (`trace_id=…`, `"trace.id": "…"`, an X-Ray id), or ""."""
    if "race" in text:
        if "dd.trace_id" in text and (found := _first(_DATADOG_TEXT, text, _from_datadog_word)):
            return found
        if found := _first(_LOWER, text, _from_labelled):
            return found
    if "RACE" in text and (found := _first(_UPPER, text, _from_labelled)):
        return found
    return _first(_XRAY_TEXT, text, _from_xray_word) if "1-" in text else ""


def _first(pattern: re.Pattern[str], text: str, read: Callable[[re.Match[str]], str]) -> str:
    return next((trace_id for match in pattern.finditer(text) if (trace_id := read(match))), "")


def _from_labelled(match: re.Match[str]) -> str:
    parent: str | None = match["parent"]
    return _from_traceparent(parent) if parent else from_id(match["id"] or match["bare"])


def _from_xray_word(match: re.Match[str]) -> str:
    return _normal(match[1] + match[2])


def _from_datadog_word(match: re.Match[str]) -> str:
    return _from_datadog_id(match[1])


def _normal(digits: str) -> str:
    """Return 1 to 32 hex digits as 32 in lower case; "" when they are all zero: that means "no trace"."""
    trace_id = digits.lower().rjust(32, "0")
    return "" if trace_id == _ZERO32 else trace_id


def from_id(value: str) -> str:
    """Return the normal form of a plain trace id: 32 or 16 hex digits, a UUID, an X-Ray id, 17 to 20 decimal digits."""
    value = value.strip()
    if _HEX.fullmatch(value):
        return _normal(value)
    if _UUID.fullmatch(value):
        return _normal(value.replace("-", ""))
    if match := _XRAY.fullmatch(value):
        return _normal(match[1] + match[2])
    return _from_decimal(value) if len(value) > 16 else ""


def _from_decimal(value: str, high: str = _ZERO16) -> str:
    if not _DECIMAL.fullmatch(value):
        return ""
    low = int(value)
    return f"{high}{low:016x}" if 0 < low < 1 << 64 else ""


def _from_traceparent(value: str) -> str:
    """Read the header as https://www.w3.org/TR/trace-context/ has it: upper case, version ff and zero ids are wrong."""
    match = _TRACEPARENT.fullmatch(value)
    if not match or match[1] == "ff" or match[3] == _ZERO16 or (match[1] == "00" and match[4]):
        return ""
    return _normal(match[2])


def _from_sentry(value: str) -> str:
    value = next((part for item in value.split(",") if (part := item.strip())), "")
    if value.startswith("00-") and value.endswith("-00"):
        value = value[3:-3]
    match = _SENTRY.fullmatch(value)
    return _normal(match[1]) if match else ""


def _from_baggage(value: str) -> str:
    match = _BAGGAGE.search(value)
    return _normal(match[1]) if match else ""


def _from_xray(value: str) -> str:
    """Read `Root=…;Parent=…;Sampled=…` in any order, or the bare id; `Self` is the load balancer's own hop."""
    root = value
    if "=" in value:
        parts = [part.strip().partition("=") for part in value.split(";")]
        root = next((given.strip() for key, _, given in parts if key.strip().lower() == "root"), "")
    match = _XRAY.fullmatch(root)
    return _normal(match[1] + match[2]) if match else ""


def _from_b3(value: str) -> str:
    match = _B3.fullmatch(value)
    return _normal(match[1]) if match and match[2] != _ZERO16 else ""


def _from_b3_headers(folded: Mapping[str, str]) -> str:
    trace_id, span_id = folded.get("xb3traceid", ""), folded.get("xb3spanid", "")
    if not _HEX.fullmatch(trace_id) or not _HEX16.fullmatch(span_id) or span_id == _ZERO16:
        return ""
    return _normal(trace_id)


def _from_cloud(value: str) -> str:
    match = _CLOUD.fullmatch(value)
    return _normal(match[1]) if match and int(match[2] or 0) < 1 << 64 else ""


def _from_uber(value: str) -> str:
    match = _UBER.fullmatch(unquote(value))
    return _normal(match[1]) if match and int(match[2], 16) else ""


def _from_datadog_id(value: str, high: str = _ZERO16) -> str:
    """Read Datadog's own spelling: decimal digits are the lower 64 bits, 32 characters are hex."""
    return _normal(value) if len(value) == 32 and _HEX.fullmatch(value) else _from_decimal(value, high)


def _from_datadog(folded: Mapping[str, str]) -> str:
    tid = _TID.search(folded.get("xdatadogtags", ""))
    high = tid[1] if tid else folded.get("ddptid", "")
    high = high.lower() if _HEX16.fullmatch(high) else _ZERO16
    names = ("xdatadogtraceid", "ddtraceid")
    return next((found for name in names if (found := _from_datadog_id(folded.get(name, ""), high))), "")


def _from_resource(value: str) -> str:
    return from_id(value.rpartition("/")[2])  # Google Cloud's logs: projects/<project>/traces/<id>


def _named(read: Callable[[str], str], *names: str) -> Finder:
    return lambda folded: next((found for name in names if (found := read(folded.get(name, "")))), "")


_FINDERS: tuple[Finder, ...] = (
    _named(_from_traceparent, "traceparent"),
    _named(_from_sentry, "sentrytrace"),
    _named(_from_baggage, "baggage"),
    _named(_from_xray, "xamzntraceid", "xraytraceid"),
    _named(_from_b3, "b3"),
    _from_b3_headers,
    _named(_from_cloud, "xcloudtracecontext"),
    _named(_from_uber, "ubertraceid"),
    _named(from_id, "traceid", "xtraceid", "oteltraceid"),
    _named(_from_resource, "trace", "logginggoogleapiscom/trace"),
    _from_datadog,
)


def xray(trace_id: str) -> str:
    """Return a normal-form trace id as AWS X-Ray writes it: `1-<8 hex>-<24 hex>`."""
    return f"1-{trace_id[:8]}-{trace_id[8:]}"


def datadog_decimal(trace_id: str) -> str:
    """Return the lower 64 bits of a normal-form trace id in decimal, as Datadog writes it in logs and tags."""
    return str(int(trace_id[16:], 16))


def b3_64(trace_id: str) -> str:
    """Return the lower 64 bits of a normal-form trace id as 16 hex digits, for systems that keep only those."""
    return trace_id[16:]
