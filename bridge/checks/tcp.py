"""TCP: a port that has to take a connection and, if wanted, answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bridge.checks.line import Line, Place, connected, host_and_port
from bridge.checks.looking import Glance, Notes, Wrong, in_words, looked, since, within
from bridge.checks.spoken import SHORT, spoken
from bridge.checks.target import Host, Port, TargetOptions, check_place
from bridge.domain.observation import Fault, Observation
from bridge.settings import Careful, Options, Secret

READ_LIMIT = 4096
"""As much of an answer is read."""


class TcpOptions(TargetOptions):
    """What an operator sets for a check of this kind."""

    host: Host = Field(examples=["db.example.com"])
    """A name or an address."""
    port: Port = Field(examples=[5432])
    """Where it listens."""
    send: Annotated[Secret | None, Careful] = None
    """A text that is sent once connected, as it is: write "PING\\r\\n" with its line end. Never shown."""
    expect: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """A text that has to be in the first 4 KiB of what comes."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        check_place(self.host, allow_private=self.allow_private)
        return self


class Tcp:
    """A port that has to take a connection."""

    Options: ClassVar[type[Options]] = TcpOptions

    def __init__(self, name: str, options: TcpOptions, timeout: timedelta) -> None:
        self._place = Place(options.host, options.port, options.allow_private, options.ip_version)
        self._send = options.send.get_secret_value() if options.send else ""
        self._expect = options.expect or ""
        self.target = host_and_port(options.host, options.port)
        expected = f'an answer with "{self._expect}"' if self._expect else "a connection"
        hidden = tuple(sorted({said for said in spoken(self._send) if len(said) >= SHORT}, key=len, reverse=True))
        self._glance = Glance(timeout, in_words(expected, within(options.slower_than)), options.slower_than, hidden)

    async def look(self, now: datetime, trace_id: str) -> Observation:
        """Return whether the port took a connection and answered; it can't carry the trace id."""
        return await looked(self._glance, now, self._look)

    async def _look(self, notes: Notes) -> str:
        async with connected(self._place, notes) as line:
            got = f"connected after {since(notes.began)}"
            if self._send:
                line.writer.write(self._send.encode())
            if self._expect:
                notes.phase = "waiting for the answer"
                await self._answered(line, notes)
                got += f", answered after {since(notes.began)}"
        return got

    async def _answered(self, line: Line, notes: Notes) -> None:
        """Return once the answer holds what is expected; raises Wrong."""
        came, expected = b"", self._expect.encode()
        try:
            while expected not in came and len(came) < READ_LIMIT:
                some = await line.reader.read(READ_LIMIT - len(came))
                if not some:
                    break
                came += some
        except OSError as error:
            raise Wrong(Fault.PROTOCOL, f"the target reset the connection ({type(error).__name__})") from None
        finally:  # once, however many pieces it came in, and also when the time is over
            if came:
                notes.facts["Answer"] = notes.first_line(came.decode("utf-8", "replace"))
        if expected in came:
            return
        if not came:
            raise Wrong(Fault.PROTOCOL, "the target closed the connection without an answer")
        raise Wrong(Fault.BODY, f'the answer does not hold "{notes.line(self._expect, 80)}"')
