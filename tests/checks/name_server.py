"""A DNS server on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.rrset

Zone = dict[tuple[str, str], list[str]]
"""Records by name and type; a name with none at all does not exist."""


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers from its zone; None: never answers. A list of lists is answered from one after the other."""

    zone: Zone | None
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    rcode: int = 0
    sent: asyncio.DatagramTransport | None = None
    turns: dict[tuple[str, str], list[list[str]]] = field(default_factory=dict)
    """What is answered the first time, the second time, …"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.sent = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        asked = (question.name.to_text(omit_final_dot=True).lower(), question.rdtype.name)
        self.asked.append(asked)
        if self.zone is None or self.sent is None:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        turns = self.turns.get(asked)
        found = turns.pop(0) if turns else self.zone.get(asked, [])
        exists = turns is not None or any(name == asked[0] for name, _ in self.zone)
        response.set_rcode(self.rcode or (dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN))
        if found:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", question.rdtype, found))
        self.sent.sendto(response.to_wire(), addr)

    def resolver(self) -> dns.asyncresolver.Resolver:
        """Return what `resolver.system` returns on a machine with this name server."""
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = [dns.nameserver.Do53Nameserver("127.0.0.1", self.port)]
        return made


@asynccontextmanager
async def name_server(
    zone: Zone | None, rcode: int = 0, turns: dict[tuple[str, str], list[list[str]]] | None = None
) -> AsyncIterator[NameServer]:
    """Run a name server."""
    made = NameServer(zone, rcode=rcode, turns=turns or {})
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
    made.port = transport.get_extra_info("sockname")[1]
    try:
        yield made
    finally:
        transport.close()
        await asyncio.sleep(0.01)
