"""alert-bridge up."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Failure, load
from bridge.cli.child import Child
from bridge.cli.supervisor import Supervisor
from bridge.store import embedded

WORKER = ["celery", "-q", "-A", "workers.app", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]


@click.command("up")
@click.option(
    "--demo", is_flag=True, help="With a sandbox in the place of Slack and Jira, and a sample of each source."
)
@click.option("--sandbox-port", type=int, default=8090, show_default=True, help="Where the sandbox listens.")
@click.option("--host", default=lambda: os.environ.get("HOST", "127.0.0.1"), show_default="$HOST or 127.0.0.1")
@click.option("--port", type=int, default=lambda: int(os.environ.get("PORT", "8080")), show_default="$PORT or 8080")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: os.environ.get("ALERT_BRIDGE_DATA", "data"),
    show_default="$ALERT_BRIDGE_DATA or ./data",
    help="Where the embedded store keeps its files.",
)
@click.pass_context
def command(ctx: click.Context, demo: bool, sandbox_port: int, host: str, port: int, data: Path) -> None:  # noqa: FBT001
    """Run everything on this machine: store (unless REDIS_URL is set), receiver and worker.

    What dies is started again. Ctrl-C ends all of it; the next start goes on where this one ended.
    """
    data = data.absolute()
    _must_be_free(host, port, "PORT=…")
    os.environ["ALERT_BRIDGE_DATA"] = str(data)
    if demo:
        _must_be_free("127.0.0.1", sandbox_port, "--sandbox-port")
        os.environ.update(_demo_environment(host, port, sandbox_port))
    try:
        with ExitStack() as stack:
            children = list(_store(data, stack))
            load.settings()
            children += _bridge(host, port, demo=demo, after=tuple(child.name for child in children))
            on_ready = (lambda: _demo(host, port, sandbox_port)) if demo else (lambda: _say_ready(host, port))
            ctx.exit(Supervisor(children, on_ready=on_ready).run())
    except embedded.Unavailable as error:
        raise Failure(str(error)) from error


def _store(data: Path, stack: ExitStack) -> Iterator[Child]:
    """Yield the embedded store, and tell the others where it is, unless the operator has one."""
    if os.environ.get("REDIS_URL"):
        return
    binary = embedded.find_server()
    claim = stack.enter_context(embedded.claim(data))
    os.environ["REDIS_URL"] = address = embedded.url(data)
    yield Child("store", embedded.server_argv(binary, data), ready=lambda: embedded.ping(address), pass_fds=(claim,))


def _bridge(host: str, port: int, *, demo: bool, after: tuple[str, ...]) -> Iterator[Child]:
    if demo:
        address = os.environ["SANDBOX_HOST"].rpartition(":")
        listening = (address[0], int(address[2]))
        yield Child(
            "sandbox", [sys.executable, "-m", "bridge.sandbox"], ready=lambda: _listens(*listening), after=after
        )
        after = (*after, "sandbox")
    serve = [sys.executable, "-m", "bridge.cli", "serve", "--host", host, "--port", str(port)]
    yield Child("web", serve, ready=lambda: _listens(host, port), after=after)
    yield Child("worker", [sys.executable, "-m", *WORKER], ready=_swept_since(time.time()), after=after)


def _demo_environment(host: str, port: int, sandbox_port: int) -> dict[str, str]:
    from bridge.sandbox import jira, slack

    return {
        "ALERT_BRIDGE_CONFIG": str(files("bridge.sandbox") / "demo.yaml"),
        "SANDBOX_SECRET": secrets.token_urlsafe(24),
        "SANDBOX_HOST": f"127.0.0.1:{sandbox_port}",
        "SANDBOX_BRIDGE_URL": f"http://{_reachable(host)}:{port}",
        "SANDBOX_SLACK_TOKEN": slack.TOKEN,
        "SANDBOX_JIRA_TOKEN": jira.TOKEN,
    }


def _demo(host: str, port: int, sandbox_port: int) -> None:
    from bridge.cli import demo

    _say_ready(host, port)
    demo.show(f"http://127.0.0.1:{sandbox_port}")


def _say_ready(host: str, port: int) -> None:
    click.echo(f"\nThe bridge is up: http://{_reachable(host)}:{port}/hooks/<source>   (Ctrl-C ends it)", err=True)


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - not bound, compared


def _swept_since(start: float) -> Callable[[], bool]:
    """Return whether a worker looked for work since: it does so every second from when it is ready."""
    keys = wiring.keyspace(load.settings())

    def swept() -> bool:
        try:
            return int(keys.client.get(keys.key("swept")) or 0) / 1000 > start
        except RedisError:
            return False

    return swept


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_reachable(host), port)) == 0


def _must_be_free(host: str, port: int, option: str) -> None:
    if _listens(host, port):
        raise Failure(f"something listens on {host}:{port} already: end it, or choose another port with {option}")
