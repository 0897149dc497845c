"""Asking name servers with dnspython, without a thread."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdata
import dns.rdtypes.txtbase
import dns.resolver

from bridge.checks.asking import Asked, NoSuchName, Records
from bridge.checks.looking import Wrong, plain
from bridge.domain.observation import Fault

RESOLV_CONF = Path("/etc/resolv.conf")
FOREVER = 3600.0
"""The look's own deadline ends it."""
MOST = 100
"""Records that are looked at."""


async def ask(asked: Asked) -> Records:
    """Return the records of a name, which may be none; raises Wrong with DNS, NoSuchName among them."""
    resolver = _chosen(asked.servers) if asked.servers else system()
    try:
        answer = await resolver.resolve(
            asked.name,
            asked.kind,
            raise_on_no_answer=False,
            lifetime=FOREVER,
            search=asked.search,
            backend=dns.asyncbackend.get_backend("asyncio"),
        )
    except dns.resolver.NXDOMAIN:
        raise NoSuchName(Fault.DNS, f"{asked.name} does not exist") from None
    except dns.resolver.NoNameservers as failure:
        raise Wrong(Fault.DNS, f"no name server could answer for {asked.name} ({_why(failure)})") from None
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise Wrong(Fault.DNS, f"{asked.name} can't be resolved ({type(error).__name__})") from error
    found = answer.rrset or ()
    server = f"{answer.nameserver}" if answer.port in (None, 53) else f"{answer.nameserver} port {answer.port}"
    return Records(tuple(_written(one) for one in list(found)[:MOST]), server, answer.rrset.ttl if answer.rrset else 0)


def system() -> dns.asyncresolver.Resolver:
    """Return the resolver of this machine, as its resolv.conf is now."""
    try:
        return _configured(RESOLV_CONF, RESOLV_CONF.stat().st_mtime_ns)
    except (OSError, dns.resolver.NoResolverConfiguration):
        return _chosen((("127.0.0.1", 53),))  # as glibc does


@lru_cache(maxsize=1)
def _configured(path: Path, changed: int) -> dns.asyncresolver.Resolver:
    return dns.asyncresolver.Resolver(filename=str(path))


@lru_cache(maxsize=256)
def _chosen(servers: tuple[tuple[str, int], ...]) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
    return resolver


def _written(record: dns.rdata.Rdata) -> str:
    """Return a record as people write it: a TXT without its quotes, names without the dot at their end."""
    if isinstance(record, dns.rdtypes.txtbase.TXTBase):
        return plain(b"".join(record.strings).decode("utf-8", "replace"), 1000)
    return plain(" ".join(word.rstrip(".") or "." for word in record.to_text().split()), 1000)


def _why(failure: dns.resolver.NoNameservers) -> str:
    errors = failure.kwargs.get("errors", [])
    return plain(", ".join(dict.fromkeys(str(error[3]) for error in errors)) or "refused", 100)
