"""From a name to its addresses, without a thread: the hosts file, then DNS.

Not getaddrinfo: it holds a thread for as long as a name server is silent, and a few dozen dead names would keep every
other check waiting. As Go's resolver does, this one reads /etc/hosts and /etc/resolv.conf (search, ndots) itself.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.resolver

from bridge.checks.guard import Address
from bridge.checks.looking import Wrong
from bridge.domain.observation import Fault

RESOLV_CONF = Path("/etc/resolv.conf")
HOSTS = Path("/etc/hosts")
FOREVER = 3600.0
"""The look's own deadline ends it."""
_LOOPBACK: dict[int, Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}


async def addresses(host: str, version: int | None = None) -> tuple[Address, ...]:
    """Return the addresses of a host: those of IPv4 or, without any, of IPv6; or those of one `version`.

    Raises Wrong with DNS when there are none.
    """
    literal = as_address(host)
    known = (literal,) if literal else _local(host, version)
    if known:
        return known
    for kind in ("A", "AAAA") if version is None else ("A",) if version == 4 else ("AAAA",):
        found = await _asked(host, kind)
        if found:
            return found
    raise Wrong(Fault.DNS, f"{host} has no {f'IPv{version} ' if version else ''}address")


def as_address(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


async def records(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> dns.resolver.Answer:
    """Return what a resolver answers, which may be no record at all; raises Wrong with DNS."""
    try:
        return await resolver.resolve(
            name,
            kind,
            raise_on_no_answer=False,
            lifetime=FOREVER,
            search=True,
            backend=dns.asyncbackend.get_backend("asyncio"),
        )
    except dns.resolver.NXDOMAIN:
        raise Wrong(Fault.DNS, f"{name} does not exist") from None
    except dns.resolver.NoNameservers as failure:
        raise Wrong(Fault.DNS, f"no name server could answer for {name} ({_why(failure)})") from None
    except (dns.exception.DNSException, OSError, UnicodeError) as error:
        raise Wrong(Fault.DNS, f"{name} can't be resolved ({type(error).__name__})") from error


def system() -> dns.asyncresolver.Resolver:
    """Return the resolver of this machine, as its resolv.conf is now."""
    try:
        return _configured(RESOLV_CONF, RESOLV_CONF.stat().st_mtime_ns)
    except (OSError, dns.resolver.NoResolverConfiguration):
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]  # as glibc does
        return resolver


async def _asked(host: str, kind: str) -> tuple[Address, ...]:
    answer = await records(system(), host, kind)
    made = IPv4Address if kind == "A" else IPv6Address
    return tuple(made(record.address) for record in answer)


def _local(host: str, version: int | None) -> tuple[Address, ...]:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: never asked for
        return (_LOOPBACK[version or 4],)
    try:
        found = _hosts(HOSTS, HOSTS.stat().st_mtime_ns).get(name, ())
    except OSError:
        return ()
    wanted = [version] if version else [4, 6]
    return next((own for one in wanted if (own := tuple(a for a in found if a.version == one))), ())


@lru_cache(maxsize=1)
def _configured(path: Path, changed: int) -> dns.asyncresolver.Resolver:
    return dns.asyncresolver.Resolver(filename=str(path))


@lru_cache(maxsize=1)
def _hosts(path: Path, changed: int) -> dict[str, tuple[Address, ...]]:
    found: dict[str, tuple[Address, ...]] = {}
    for text in path.read_text("utf-8", "replace").splitlines():
        words = text.partition("#")[0].lower().split()
        address = as_address(words[0]) if words else None
        for name in words[1:] if address else ():
            found[name] = (*found.get(name, ()), *((address,) if address else ()))
    return found


def _why(failure: dns.resolver.NoNameservers) -> str:
    errors = failure.kwargs.get("errors", [])
    return ", ".join(dict.fromkeys(str(error[3]) for error in errors)) or "refused"
