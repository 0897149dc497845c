"""DNS: a name that has to have records and, if wanted, these ones."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.checks.asking import Asked, NoSuchName, ask
from bridge.checks.looking import Glance, Notes, Wrong, in_words, looked, plain, since, within
from bridge.checks.names import as_address
from bridge.checks.target import Host, Positive, check_place
from bridge.domain.observation import Fault, Observation
from bridge.settings import Options

_SERVER = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>\d{1,5}))?")


def _server(text: str) -> str:
    server_place(text)
    return text


def server_place(text: str) -> tuple[str, int]:
    """Return address and port of a name server; raises ValueError where it is no address."""
    found = _SERVER.fullmatch(text.strip())
    address = as_address((found["six"] or found["four"]) if found else text.strip())
    port = int(found["port"] or 53) if found else 53
    if address is None or not 0 < port < 65536 or "%" in text:
        raise ValueError(
            f'"{text}" is no address of a name server: write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]'
        )
    return str(address), port


class DnsOptions(Options):
    """What an operator sets for a check of this kind."""

    name: Host = Field(examples=["shop.example.com"])
    """What is asked for, in full: no search list is tried."""
    type: Literal["A", "AAAA", "CNAME", "MX", "TXT", "NS", "SOA", "SRV", "CAA", "PTR"] = "A"
    """The type of record. With PTR the name may be an address."""
    equals: tuple[str, ...] | None = None
    """The records have to be these, in any order; [] means that there have to be none."""
    contains: tuple[str, ...] = ()
    """These have to be among the records."""
    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = ()
    """Name servers to ask, as addresses; the next one when one does not answer. Left out: the machine's."""
    allow_private: bool = False
    """Whether `servers` may be private addresses."""
    slower_than: Positive | None = None
    """All is well, but it took longer than this: a fault."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for server in self.servers:
            check_place(server_place(server)[0], allow_private=self.allow_private)
        return self


class Dns:
    """A name that has to have records."""

    Options: ClassVar[type[Options]] = DnsOptions

    def __init__(self, name: str, options: DnsOptions, timeout: timedelta) -> None:
        self._options = options
        literal = as_address(options.name)
        asked = literal.reverse_pointer if literal and options.type == "PTR" else options.name
        self._asked = Asked(asked, options.type, tuple(map(server_place, options.servers)))
        self.target = f"{options.name} {options.type}"
        self._glance = Glance(timeout, self._expected(), options.slower_than)

    async def look(self, now: datetime, trace_id: str) -> Observation:
        """Return which records there are; a question to DNS can't carry the trace id."""
        return await looked(self._glance, now, self._look)

    async def _look(self, notes: Notes) -> str:
        notes.phase = f"resolving {self._options.name}"
        try:
            answer = await ask(self._asked)
        except NoSuchName:
            if self._options.equals == ():
                return f"{self._options.name} does not exist"
            raise
        records = tuple(sorted(answer.records))  # name servers turn them round
        notes.facts["Records"] = plain(", ".join(records) or "none")
        notes.facts |= {"Server": answer.server} | ({"TTL": f"{answer.ttl} s"} if records else {})
        self._judge(records)
        return f"{len(records)} {'record' if len(records) == 1 else 'records'} after {since(notes.began)}"

    def _judge(self, records: tuple[str, ...]) -> None:
        """Return if the records are as expected; raises Wrong."""
        kind, wanted = self._options.type, self._options.equals
        if not records and wanted != ():
            raise Wrong(Fault.DNS, f"{self._options.name} has no {kind} records")
        missing = [one for one in (*(wanted or ()), *self._options.contains) if not _among(one, records, kind)]
        if missing:
            raise Wrong(Fault.BODY, plain(f"{', '.join(missing)} is not among the records"))
        more = (
            [one for one in records if not any(_same(want, one, kind) for want in wanted)] if wanted is not None else []
        )
        if more:
            raise Wrong(Fault.BODY, plain(f"not expected: {', '.join(more)}"))

    def _expected(self) -> str:
        options, kind = self._options, self._options.type
        words = f"{kind} records" if options.equals is None else f"the {kind} records {', '.join(options.equals)}"
        words = f"no {kind} records" if options.equals == () else words
        among = f"with {', '.join(options.contains)}" if options.contains else ""
        return in_words(words, among, within(options.slower_than))


def _among(wanted: str, records: tuple[str, ...], kind: str) -> bool:
    return any(_same(wanted, one, kind) for one in records)


def _same(wanted: str, record: str, kind: str) -> bool:
    """Return whether a record is what the operator wrote: a mail server also without its preference."""
    if kind == "TXT":
        return wanted == record
    one, other = _plain_name(wanted), _plain_name(record)
    return one == other or (kind == "MX" and " " not in one and one == other.rpartition(" ")[2])


def _plain_name(text: str) -> str:
    address = as_address(text.strip())
    return str(address) if address else " ".join(text.lower().split()).rstrip(".")
