"""Where the receiver listens: the options for it, and whether it can."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import click

from bridge.cli import Failure
from bridge.dial import reachable

PORTS = click.IntRange(1, 65535)


def listening_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --host and --port, with HOST and PORT of the environment as their defaults."""
    port = click.option("--port", type=PORTS, envvar="PORT", default=8080, show_default=True, show_envvar=True)
    host = click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True, show_envvar=True)
    return host(port(command))


def must_be_free(host: str, port: int, option: str) -> None:
    """Return if something can listen there; raises Failure, which names the option to choose another port with."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        advice = f"end what listens there, or choose another port with {option}" if listens(host, port) else ""
        advice = advice or "choose an address of this machine with --host, and a port above 1023"
        why = (error.strerror or str(error)).partition(" (while")[0]
        raise Failure(f"can't listen on {host}:{port} ({why}): {advice}") from error


def listens(host: str, port: int) -> bool:
    """Return whether something listens there now; answers within half a second."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        try:
            return probe.connect_ex((reachable(host), port)) == 0
        except OSError:  # no such name
            return False
