"""Where a check may go: each address is judged before anything is sent to it, whatever its name was."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from bridge.checks.looking import Wrong
from bridge.domain.observation import Fault

Address = IPv4Address | IPv6Address

METADATA = frozenset(
    ip_address(one)
    for one in (
        *("169.254.169.254", "fd00:ec2::254"),  # AWS, Azure, Google, Oracle, DigitalOcean, Hetzner, …
        *("169.254.170.2", "169.254.170.23", "fd00:ec2::23"),  # credentials of ECS tasks and EKS pods
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),  # Alibaba; Azure's WireServer; Oracle's old one
        *("169.254.0.23", "169.254.42.42", "fd00:42::42"),  # Tencent; Scaleway
        *("fd20:ce::254", "fe80::a9fe:a9fe"),  # Google and OpenStack over IPv6
    )
)
"""Where clouds hand their credentials to whoever asks: never asked by a check."""

_V4 = [
    (IPv4Network(network), word)
    for network, word in (
        ("0.0.0.0/8", "no destination"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private (shared, CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "special"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "special"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
]
"""https://www.iana.org/assignments/iana-ipv4-special-registry"""

_V6 = [
    (IPv6Network(network), word)
    for network, word in (
        ("::/128", "no destination"),
        ("::1/128", "loopback"),
        ("fe80::/10", "link-local"),
        ("fc00::/7", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "special"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "special (6to4)"),
        ("3fff::/20", "for documentation"),
    )
]
"""https://www.iana.org/assignments/iana-ipv6-special-registry"""

_GLOBAL = IPv6Network("2000::/3")
_MAPPED = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""What stands for an IPv4 address and is no more private than that one."""
_COMPATIBLE = IPv6Network("::/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


def permit(address: Address, *, allow_private: bool) -> None:
    """Return if a check may go to that address; raises Wrong with REFUSED and what to do about it."""
    plain = IPv6Address(int(address)) if address.version == 6 else address  # without a zone
    every = (plain, *embedded(address))
    if is_metadata(address):
        raise Wrong(Fault.REFUSED, f"{address} is where a cloud hands out its credentials: no check may go there")
    word = next((word for one in every if (word := special(one))), "")
    if word and not allow_private:
        raise Wrong(Fault.REFUSED, f"{address} is {word}: set allow_private: true if the check is meant to go there")


def is_metadata(address: Address) -> bool:
    """Return whether an address is, or may be brought to, one where a cloud hands out its credentials.

    Of IPv6 also by its last 32 bits alone: a network translates to IPv4 under a prefix of its own choice (RFC 6052).
    """
    plain = IPv6Address(int(address)) if address.version == 6 else address
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    return any(one in METADATA for one in (plain, last, *embedded(address)))


def special(address: Address) -> str:
    """Return in a word why an address is none of the public internet, or "" if it is."""
    if isinstance(address, IPv4Address):
        return next((word for network, word in _V4 if address in network), "")
    plain = IPv6Address(int(address))  # without its zone
    word = next((word for network, word in _V6 if plain in network), "")
    public = plain in _GLOBAL or any(plain in network for network in _MAPPED)
    return word or ("" if public else "reserved")


def embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address may be brought to: mapped, NAT64, 6to4, Teredo, ISATAP."""
    if isinstance(address, IPv4Address):
        return
    bits, plain = int(address), IPv6Address(int(address))
    if any(plain in network for network in (*_MAPPED, _COMPATIBLE)) and bits > 1:
        yield IPv4Address(bits & 0xFFFFFFFF)
    if plain in _6TO4:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if plain in _TEREDO:
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~bits & 0xFFFFFFFF)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFFFFFF)
