"""What every link's options have in common: the label, the base address and templates as types."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bridge.enrich.links.language import PLAIN
from bridge.enrich.links.problem import Problem
from bridge.enrich.links.template import Template, Written
from bridge.settings import Options

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{2,62}")


class LinkOptions(Options):
    """One entry of `links:` in the config; it builds its own address."""

    label: str = Field(min_length=1, max_length=75)
    """What the link is called in messages and tickets; Slack's buttons take 75 characters."""
    kind: str

    def build(self, problem: Problem) -> str | None:
        """Return the address for an incident, or None when something it needs isn't known. Raises nothing."""
        raise NotImplementedError


def base_url(text: str) -> str:
    """Return an http or https address without the slash at its end; a path is kept.

    Raises ValueError for anything else: an address with a user, a query or a fragment can't be built upon.
    """
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        sound = None
    if not sound or re.search(r"[\s\x00-\x1f\x7f<>\"\\^`{|}]|[^\x00-\x7f]", text):
        raise ValueError("write the address as https://host or https://host/path, in ASCII")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError("leave out user, ? and #: write https://host or https://host/path")
    return text.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(base_url)]
"""Where the product's web pages are, as people open them."""
Name = Annotated[Template, Written(PLAIN)]
"""A template for a name; the text as a whole is encoded for the address."""


def region(name: str | None) -> str | None:
    """Return an AWS region, or None if it doesn't look like one."""
    return name if name and _REGION.fullmatch(name) else None


def project(name: str | None) -> str | None:
    """Return a Google Cloud project id, or None if it doesn't look like one."""
    return name if name and _PROJECT.fullmatch(name) else None
