"""Addresses of a store that several servers hold: which of them takes writes is found out by asking."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

PLAIN = ("redis://", "rediss://", "unix://")
SENTINEL, CLUSTER = "sentinel", "cluster"
PORTS = {SENTINEL: 26379, CLUSTER: 6379}

_GROUP = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?:(?P<user>.*)@)?"
    r"(?P<hosts>[^/?@]*)(?:/(?P<path>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")

UNKNOWN = (
    "has to begin with redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis+cluster:// "
    "(rediss+sentinel://, rediss+cluster://: TLS)"
)
NO_HOSTS = "names no servers as host:port,host:port: write redis+{kind}://host1:{port},host2:{port}{rest}"
NO_SERVICE = "names no service: write redis+sentinel://host1:26379,host2:26379/mymaster, the name in sentinel.conf"
NO_DATABASE = "names a database: a Cluster has only one, so write nothing after the servers"
BAD_DATABASE = "has something else than a number after the service: write …/mymaster or …/mymaster/2"


@dataclass(frozen=True)
class Group:
    """Servers of which one takes the bridge's writes, and another may tomorrow."""

    kind: str
    """"sentinel": the hosts are Sentinels. "cluster": they are some of the Cluster's nodes."""
    hosts: tuple[tuple[str, int], ...]
    service: str
    """What Sentinels call the servers they watch; empty for a Cluster."""
    url: str = field(repr=False)
    """For user, password, database and TLS of the servers; its host means nothing."""
    login: dict[str, str] = field(default_factory=dict, repr=False)
    """User and password of the Sentinels, which have their own or none."""


def group(url: str) -> Group | None:
    """Return the servers that an address names, or None when it names one; raises ValueError with what to write."""
    if url.startswith(PLAIN):
        return None
    found = _GROUP.fullmatch(url)
    if found is None:
        raise ValueError(UNKNOWN)
    kind, path = found["kind"], (found["path"] or "").strip("/")
    service, database = _sentinel_path(path) if kind == SENTINEL else _cluster_path(path)
    query = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    login = {key: query.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in query}
    user = f"{found['user']}@" if found["user"] else ""
    plain = f"{found['scheme']}://{user}store/{database}{'?' if query else ''}{urlencode(query)}"
    return Group(kind, _hosts(found["hosts"], kind), service, plain, login)


def is_group(url: str) -> bool:
    """Return whether an address is one of several servers; of a broker it may be of any other kind, too."""
    return url.partition("://")[0].partition("+")[2] in PORTS


def _hosts(text: str, kind: str) -> tuple[tuple[str, int], ...]:
    found = [_HOST.fullmatch(one.strip()) for one in text.split(",")]
    hosts = tuple((one["host"].strip("[]"), int(one["port"] or PORTS[kind])) for one in found if one)
    if len(hosts) != len(found) or any(port > 65535 for _, port in hosts):
        rest = "/mymaster" if kind == SENTINEL else ""
        raise ValueError(NO_HOSTS.format(kind=kind, port=PORTS[kind], rest=rest))
    return hosts


def _sentinel_path(path: str) -> tuple[str, str]:
    service, _, database = path.partition("/")
    if not service:
        raise ValueError(NO_SERVICE)
    if database and not database.isdecimal():
        raise ValueError(BAD_DATABASE)
    return service, database or "0"


def _cluster_path(path: str) -> tuple[str, str]:
    if path not in ("", "0"):
        raise ValueError(NO_DATABASE)
    return "", "0"
