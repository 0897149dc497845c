"""From a name to its addresses: the hosts file, then DNS.

Not getaddrinfo: it holds a thread for as long as a name server is silent, and a few dozen dead names would keep every
other check waiting. As Go's resolver does, this one reads /etc/hosts and /etc/resolv.conf (search, ndots) itself.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from bridge.checks.asking import Asked, ask
from bridge.checks.guard import Address
from bridge.checks.looking import Wrong
from bridge.domain.observation import Fault

HOSTS = Path("/etc/hosts")
_LOOPBACK: dict[int, Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}


async def addresses(host: str, version: int | None = None) -> tuple[Address, ...]:
    """Return the addresses of a host: those of IPv4 or, without any, of IPv6; or those of one `version`.

    Raises Wrong with DNS when there are none.
    """
    literal = as_address(host)
    known = (literal,) if literal else _local(host, version)
    if known:
        return known
    for one in (version,) if version else (4, 6):
        found = (await ask(Asked(host, "A" if one == 4 else "AAAA", search=True))).records
        if found:
            return tuple(map(ip_address, found))
    raise Wrong(Fault.DNS, f"{host} has no {f'IPv{version} ' if version else ''}address")


def as_address(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


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
def _hosts(path: Path, changed: int) -> dict[str, tuple[Address, ...]]:
    found: dict[str, tuple[Address, ...]] = {}
    for text in path.read_text("utf-8", "replace").splitlines():
        words = text.partition("#")[0].lower().split()
        address = as_address(words[0]) if words else None
        for name in words[1:] if address else ():
            found[name] = (*found.get(name, ()), *((address,) if address else ()))
    return found
