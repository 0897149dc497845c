"""The plan of a check: what every one takes beside the options of its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from bridge.domain.alert import Severity
from bridge.domain.checkup import LONGEST, Policy
from bridge.settings.options import Duration, Options

DEFAULT_KIND = "http"
TIMEOUT = timedelta(seconds=10)
_OF = re.compile(r"(\d{1,4}) of (?:the )?(?:last )?(\d{1,4})", re.ASCII)


def _fail_after(value: object) -> tuple[int, int]:
    """Return (3, 3) for 3, (3, 5) for "3 of 5"; raises ValueError for anything else."""
    if isinstance(value, tuple):
        return value
    found = _OF.fullmatch(value.strip()) if isinstance(value, str) else None
    if found:
        fails, of = int(found[1]), int(found[2])
    elif isinstance(value, int | str) and not isinstance(value, bool) and re.fullmatch(r"\d{1,4}", str(value)):
        fails = of = int(value)
    else:
        raise ValueError('has to be a number of runs in a row, as in 3, or of the last ones, as in "3 of 5"')
    if not 1 <= fails <= of <= LONGEST:
        raise ValueError(f"has to be from 1 to {LONGEST} runs, and in N of M the first number is not the larger one")
    return fails, of


def _written(value: tuple[int, int]) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]} of {value[1]}"


def _page(text: str) -> str:
    try:
        sound = urlsplit(text).scheme in ("http", "https") and urlsplit(text).hostname
    except ValueError:
        sound = None
    if text and not (sound and re.fullmatch(r"[!-~]+", text)):
        raise ValueError("is not an address people can open: write https://host/page")
    return text


FailAfter = Annotated[
    tuple[int, int],
    BeforeValidator(_fail_after),
    PlainSerializer(_written, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["integer", "string"], "pattern": r"^\s*\d+( of (the )?(last )?\d+)?\s*$"}),
]
"""How many runs have to fail: in a row, or among the last ones."""


class PlanOptions(Options):
    """What every check takes beside its own options: how often it runs, when it fires, and what is said then."""

    every: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=7))] = timedelta(minutes=1)
    """Time from the beginning of one run to the beginning of the next, from 1s to 7d."""
    timeout: Annotated[Duration, Field(gt=timedelta())] | None = None
    """How long a run may take, at most `every`; by default 10s, or `every` if that is shorter."""
    fail_after: FailAfter = (3, 3)
    """So many failing runs in a row and it fires; `"3 of 5"`: three among the last five."""
    recover_after: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    """So many good runs in a row and it is resolved; by default 1, and with `"3 of 5"` 3, so that no failing run of the
    outage can count for the next."""
    severity: Severity = Severity.CRITICAL
    service: str = ""
    """What fails, as in other alerts; for routes and links."""
    environment: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    """For routes and link templates."""
    runbook: Annotated[str, AfterValidator(_page)] = ""
    """A page for whoever is woken."""

    @model_validator(mode="after")
    def _over_before_the_next(self) -> Self:
        if self.timeout is not None and self.timeout > self.every:
            raise ValueError("timeout is longer than every: a run has to be over when the next one begins; shorten it")
        return self

    @property
    def within(self) -> timedelta:
        """How long a run may take."""
        return self.timeout or min(TIMEOUT, self.every)

    @property
    def policy(self) -> Policy:
        """When it fires and when it is resolved."""
        fails, of = self.fail_after
        return Policy(fails=fails, of=of, goods=self.recover_after or of - fails + 1)


@dataclass(frozen=True)
class PlannedCheck:
    """A check of a kind, with that kind's options and its plan."""

    kind: str
    options: Options
    plan: PlanOptions
