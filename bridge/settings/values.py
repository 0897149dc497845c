"""Values that several sections take."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from bridge.domain.matcher import parse_matchers
from bridge.settings.options import Duration
from bridge.settings.problems import did_you_mean


def _zone(name: object) -> ZoneInfo:
    if isinstance(name, ZoneInfo):
        return name
    if not isinstance(name, str):
        raise ValueError("has to be a name such as Asia/Seoul or UTC")  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        short = len(name) <= 4  # KST: the nearest abbreviation is another place's
        hint = "" if short else did_you_mean(name, available_timezones())
        raise ValueError(f'there is no timezone "{name}".{hint or " Write one such as Asia/Seoul or UTC"}') from error


def _matchers(text: str) -> str:
    if not parse_matchers(text):
        raise ValueError("there is no matcher in it: write one such as severity=critical, or leave it out")
    return text


Timezone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
Positive = Annotated[Duration, Field(gt=timedelta())]
MatcherText = Annotated[str, AfterValidator(_matchers)]
"""Alertmanager's matchers in one text."""
