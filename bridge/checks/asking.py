"""A question to name servers, and its answer."""

from __future__ import annotations

from typing import NamedTuple

from bridge.checks.looking import Wrong


class Asked(NamedTuple):
    """A question."""

    name: str
    kind: str
    servers: tuple[tuple[str, int], ...] = ()
    """Address and port; empty: those of this machine."""
    search: bool = False
    """Whether the machine's search list is tried."""


class Records(NamedTuple):
    """An answer."""

    records: tuple[str, ...]
    server: str
    ttl: int


class NoSuchName(Wrong):
    """The name does not exist."""


async def ask(asked: Asked) -> Records:
    """Return the records of a name, which may be none; raises Wrong with DNS, NoSuchName among them."""
    from bridge.checks import resolver  # here: dnspython is loaded by who asks only

    return await resolver.ask(asked)
