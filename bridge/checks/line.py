"""A new connection to a judged address, with or without TLS; each look makes its own and closes it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from bridge.checks import names
from bridge.checks.certificate import Certificate, distrust, moment, read_certificate, trust
from bridge.checks.guard import Address, permit
from bridge.checks.looking import Notes, Wrong
from bridge.domain.observation import Fault

MOST_ADDRESSES = 4
"""How many of a name's addresses are tried, in the order of the answer."""
BUFFER = 16 * 1024
"""How much of what a target sends waits to be looked at; beyond twice that it is not read on."""
_TLS = {
    "WRONG_VERSION_NUMBER": "the port does not speak TLS",
    "RECORD_LAYER_FAILURE": "the port does not speak TLS",
    "HTTP_REQUEST": "the port speaks plain HTTP, not TLS",
    "UNSUPPORTED_PROTOCOL": "the target speaks only versions of TLS that are too old",
    "ALERT_PROTOCOL_VERSION": "the target refuses this version of TLS",
    "CERTIFICATE_REQUIRED": "the target asks for a certificate of the client",
    "HANDSHAKE_FAILURE": "the target refused the handshake (no common cipher, or it wants a client's certificate)",
    "UNRECOGNIZED_NAME": "the target does not know the server name",
    "UNEXPECTED_EOF": "the target closed the connection while TLS began",
}
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


@dataclass(frozen=True)
class Place:
    """Where a connection goes."""

    host: str
    port: int
    allow_private: bool = False
    ip_version: int | None = None


@dataclass(frozen=True)
class Secured:
    """What TLS has to show."""

    ca: str = ""
    verify: bool = True
    server_name: str = ""
    """The name in the certificate; empty: the host's."""


@dataclass(frozen=True)
class Line:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    certificate: Certificate | None = None

    @property
    def protocol(self) -> str:
        """The version of TLS, or ""."""
        secured = self.writer.get_extra_info("ssl_object")
        return (secured.version() or "") if secured else ""


@asynccontextmanager
async def connected(place: Place, notes: Notes, secured: Secured | None = None) -> AsyncIterator[Line]:
    """A connection that is gone when the block ends, however it ends; raises Wrong with what went wrong."""
    address, sock = await _connected(place, notes)
    notes.facts["Address"] = written(address, place.port)
    made = await _streams(sock) if secured is None else await _secured(sock, place, address, secured, notes)
    try:
        yield made
    finally:
        made.writer.transport.abort()  # a close that waits for nothing the target might not do


def host_and_port(host: str, port: int) -> str:
    """Return a host as it is written with a port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def written(address: Address, port: int) -> str:
    """Return address and port as in an address of the web."""
    return host_and_port(str(address), port)


async def _connected(place: Place, notes: Notes) -> tuple[Address, socket.socket]:
    notes.phase = f"resolving {place.host}"
    found = await names.addresses(place.host, place.ip_version)
    for address in found:
        permit(address, allow_private=place.allow_private)
    return await _first(found[:MOST_ADDRESSES], place.port, notes)


async def _first(found: Sequence[Address], port: int, notes: Notes) -> tuple[Address, socket.socket]:
    """Return a connection to the first address that takes it; each but the last has a share of the time."""
    trouble = ""
    for index, address in enumerate(found):
        notes.phase = f"connecting to {written(address, port)}"
        left = len(found) - index
        try:
            async with asyncio.timeout_at(_share(left, notes.ends)):
                return address, await _connect(address, port)
        except TimeoutError:
            trouble = f"{written(address, port)} does not answer"
        except OSError as error:
            trouble = f"{written(address, port)} {_in_words(error)}"
    raise Wrong(Fault.CONNECT, trouble)


def _share(left: int, ends: float) -> float | None:
    """Return when to go on to the next address, by the loop's clock; the last one has all the time that is left."""
    now = asyncio.get_running_loop().time()
    return None if left == 1 else now + (ends - now) / left


async def _connect(address: Address, port: int) -> socket.socket:
    with ExitStack() as closed:
        sock = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        closed.callback(sock.close)
        sock.setblocking(False)  # noqa: FBT003 - its only form
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
        closed.pop_all()
    return sock


async def _streams(sock: socket.socket) -> Line:
    return Line(*await asyncio.open_connection(sock=sock, limit=BUFFER))


async def _secured(sock: socket.socket, place: Place, address: Address, secured: Secured, notes: Notes) -> Line:
    """Return the line with TLS; raises Wrong with TLS, in words."""
    notes.phase = "waiting for TLS"
    host = secured.server_name or place.host
    try:
        return await _handshake(sock, secured, host)
    except ssl.SSLCertVerificationError as error:
        shown = await _shown(address, place.port, host)
        notes.facts |= (
            {"Certificate": f"{shown.subject}, by {shown.issuer}, until {moment(shown.ends)}"} if shown else {}
        )
        raise Wrong(Fault.TLS, distrust(error, shown, host)) from None
    except ssl.SSLError as error:
        raise Wrong(Fault.TLS, _tls_in_words(error)) from None
    except (OSError, ValueError) as error:
        raise Wrong(Fault.TLS, f"the connection was closed while TLS began ({type(error).__name__})") from None


async def _handshake(sock: socket.socket, secured: Secured, host: str) -> Line:
    context = trust(secured.ca, verify=secured.verify)
    streams = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=host, limit=BUFFER)
    der = streams[1].get_extra_info("ssl_object").getpeercert(binary_form=True)
    return Line(*streams, certificate=read_certificate(der) if der else None)


async def _shown(address: Address, port: int, host: str) -> Certificate | None:
    """Return the certificate that was not trusted, for its words: over another connection that sends nothing."""
    try:
        line = await _handshake(await _connect(address, port), Secured(verify=False), host)
    except (OSError, ValueError):
        return None
    line.writer.transport.abort()
    return line.certificate


def _tls_in_words(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    known = next((words for part, words in _TLS.items() if part in reason), "")
    return known or f"TLS failed: {reason.replace('_', ' ').lower() or 'the connection was closed'}"


def _in_words(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "refused the connection"
    if error.errno in _UNREACHABLE:
        return "can't be reached: there is no route to it"
    if error.errno == errno.ETIMEDOUT:
        return "does not answer"
    return f"can't be connected to ({os.strerror(error.errno) if error.errno else type(error).__name__})"
