"""The section `canary`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.settings.options import Duration, Options, Secret, WebAddress


def _long_enough(secret: Secret | None) -> Secret | None:
    if secret is not None and len(secret.get_secret_value()) < 16:
        raise ValueError("is too short to be secret: make one with `openssl rand -hex 24`, or leave it out")
    return secret


class CanaryOptions(Options):
    """A synthetic alert that travels source → store → worker → destination, and is taken back (docs/canary.md)."""

    to: Annotated[tuple[str, ...], Field(min_length=1, examples=[["oncall"]])]
    """Names of destinations that can take a message back: Slack with a token."""
    every: Annotated[Duration, Field(ge=timedelta(seconds=5))] = timedelta(minutes=5)
    """How often one is sent."""
    within: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=1)
    """After how long one that has not arrived is an alert; shorter than `every`."""
    url: WebAddress | Literal[""] = ""
    """Of a receiver, as workers reach it; by default `public_url`, or else HOST and PORT of the environment."""
    secret: Annotated[Secret | None, AfterValidator(_long_enough)] = None
    """What it is signed with; by default derived from the secrets of the destinations in `to`."""
    keep: bool = False
    """Leave the messages standing, shown as resolved: for a channel of its own."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.within >= self.every:
            raise ValueError("within has to be shorter than every: else the next one would be sent before")
        return self


TakesBack = Callable[[str, Options], bool]
"""Whether a destination of a kind, with its options, can take back what it was told."""
