"""Options that the kinds share: where a check goes, and how TLS is judged there."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bridge.checks.certificate import trust
from bridge.checks.guard import permit
from bridge.checks.looking import Wrong
from bridge.settings import Careful, Duration, Options, Secret

Positive = Annotated[Duration, Field(gt=timedelta())]
Port = Annotated[int, Field(ge=1, le=65535)]
_NAME = re.compile(r"(?=.{1,254}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)


class TargetOptions(Options):
    """What every kind that connects to a target takes."""

    allow_private: bool = False
    """Whether the target may be private, loopback or link-local; metadata addresses never may."""
    ip_version: Literal[4, 6] | None = None
    """Only IPv4 or only IPv6; if left out IPv4, and IPv6 for a name that has no IPv4 address."""
    slower_than: Positive | None = None
    """All is well, but it took longer than this: a fault."""


def host_name(text: str) -> str:
    """Return a name or address as it is asked for, in ASCII; raises ValueError for anything else."""
    text = text.strip().removeprefix("[").removesuffix("]")
    try:
        ip_address(text)
    except ValueError:
        return _name(text)
    if "%" in text:
        raise ValueError("has a zone (%…), which is not supported")
    return text


def _name(text: str) -> str:
    try:
        name = text if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{text}" is no host: write a name such as db.example.com, or an address')
    return name.lower()


def check_place(host: str, *, allow_private: bool) -> None:
    """Return if a check may go to a host as it is written, names are judged later; raises ValueError."""
    try:
        permit(ip_address("127.0.0.1" if host == "localhost" else host), allow_private=allow_private)
    except Wrong as wrong:
        raise ValueError(wrong.got) from None
    except ValueError:
        return


def _roots(pem: Secret | None) -> Secret | None:
    if pem is not None:
        trust(pem.get_secret_value(), verify=True)
    return pem


Host = Annotated[str, AfterValidator(host_name)]
"""A name or an address."""
Roots = Annotated[Secret | None, AfterValidator(_roots), Careful]
"""Certificates in PEM that are trusted instead of the system's; `ca_file` names a file of them."""
