"""What Alertmanager sends: webhook payload version "4"."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from bridge.domain.words import clip
from bridge.ports import Unparseable
from bridge.sources.surrogates import mended

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 as Go writes it: 0 to 9 fraction digits, any offset."""


class Statement(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a group; https://prometheus.io/docs/alerting/latest/configuration/#webhook_config."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: Time
    annotations: dict[str, str] | None = None
    ends_at: Time | None = None
    """0001-01-01T00:00:00Z while it fires."""
    generator_url: str = msgspec.field(default="", name="generatorURL")
    fingerprint: str = ""


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    """One notification: a group of alerts, some firing, some resolved."""

    version: str = ""
    alerts: list[Statement] | None = None
    receiver: str = ""
    external_url: str = msgspec.field(default="", name="externalURL")
    truncated_alerts: int = 0


_PAYLOAD = msgspec.json.Decoder(Payload)
_CUSTOM = "a custom `payload:` template isn't supported, remove it from Alertmanager's webhook_configs"
_UNREAD = "if Alertmanager's webhook_configs has a `payload:` template, remove it"
_GRAFANA = "that is Grafana's own webhook, which is another format; this address is for Prometheus Alertmanager"


def decoded(body: bytes) -> Payload:
    """Return the payload; raise Unparseable when it is not one of version "4", naming the place."""
    try:
        payload = _decoded(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparseable(f'not an Alertmanager payload of version "4": {clip(str(error), 200)}; {_UNREAD}') from error
    if payload.version != "4":
        why = _GRAFANA if payload.version == "1" else _CUSTOM
        raise Unparseable(f'version is "{clip(payload.version, 20)}" where "4" is expected: {why}')
    return payload


def _decoded(body: bytes) -> Payload:
    """Return the payload; half a character in it counts as U+FFFD."""
    try:
        return _PAYLOAD.decode(body)
    except msgspec.DecodeError:
        whole = mended(body)
        if whole == body:
            raise
    return _PAYLOAD.decode(whole)


def fnv1a(labels: dict[str, str]) -> str:
    """Return the fingerprint Alertmanager gives a label set: FNV-1a, 64 bit, over name 0xFF value 0xFF, sorted."""
    value = 0xCBF29CE484222325
    for name in sorted(labels):
        for byte in b"%b\xff%b\xff" % (name.encode(), labels[name].encode()):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
