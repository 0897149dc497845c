"""alert-bridge up."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.resources import files
from pathlib import Path

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Failure, here, load, say
from bridge.cli.child import Child
from bridge.cli.port import PORTS, listening_options, listens, must_be_free
from bridge.cli.supervisor import Supervisor
from bridge.dial import address
from bridge.settings import Settings, config_path
from bridge.store import embedded

WORKER = ["celery", "-q", "-A", "workers.app", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]
FAREWELL = re.compile(r"^$|^worker: Warm shutdown")
"""What Celery says as it ends; `up` says itself that it ends."""


@click.command("up")
@click.option(
    "--demo", is_flag=True, help="With a sandbox in the place of Slack and Jira, and a sample of each source."
)
@click.option("--sandbox-port", type=PORTS, default=8090, show_default=True, help="Where the sandbox listens.")
@listening_options
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ALERT_BRIDGE_DATA",
    default=here.DEFAULT_DATA,
    show_default=True,
    show_envvar=True,
    help="Where the embedded store keeps its files; those of the demo lie apart, in `demo` below it.",
)
@click.pass_context
def command(ctx: click.Context, demo: bool, sandbox_port: int, host: str, port: int, data: Path) -> None:  # noqa: FBT001
    """Run everything on this machine: store (unless REDIS_URL is set), receiver and worker.

    What dies is started again. Ctrl-C ends all of it; the next start goes on where this one ended.
    """
    must_be_free(host, port, "--port or PORT")
    if demo:
        must_be_free("127.0.0.1", sandbox_port, "--sandbox-port")
        os.environ.update(_demo_environment(address(host, port), sandbox_port))
        os.environ.pop("REDIS_URL", None)  # what is tried must not meet what is real
    home = (data / here.DEMO if demo else data).absolute()
    os.environ |= {"ALERT_BRIDGE_DATA": str(home), "HOST": host, "PORT": str(port)}
    if sys.stderr.isatty():
        os.environ["ALERT_BRIDGE_CONSOLE"] = "1"  # log lines go through a pipe, but to a person
    settings = load.own()
    os.environ["ALERT_BRIDGE_CONFIG"] = str(config_path(os.environ).absolute())
    try:
        with ExitStack() as stack:
            children = list(_store(settings, home, stack))
            children += _bridge(host, port, demo=demo, after=tuple(child.name for child in children))
            on_ready = partial(_demo, sandbox_port, data) if demo else lambda: None
            ctx.exit(Supervisor(children, on_ready=lambda: _greet(settings, host, port, on_ready)).run())
    except embedded.Unavailable as error:
        raise Failure(str(error)) from error


def _store(settings: Settings, home: Path, stack: ExitStack) -> Iterator[Child]:
    """Yield the embedded store, and tell the others where it is, unless the operator has one."""
    if settings.redis_url is not None:
        if not embedded.ping(settings.redis_url.get_secret_value()):
            say(
                "warning: the store that REDIS_URL (or redis.url) names does not answer; `alert-bridge doctor` says why"
            )
        return
    binary = embedded.find_server()
    claim = stack.enter_context(embedded.claim(home))
    os.environ["REDIS_URL"] = url = embedded.url(home)
    stack.enter_context(here.noted(home))
    argv = embedded.server_argv(binary, home)
    yield Child("store", argv, ready=lambda: embedded.ping(url), pass_fds=(claim,), hush=embedded.HARMLESS)


def _bridge(host: str, port: int, *, demo: bool, after: tuple[str, ...]) -> Iterator[Child]:
    if demo:
        name, _, number = os.environ["SANDBOX_HOST"].rpartition(":")
        listening = partial(listens, name, int(number))
        yield Child("sandbox", [sys.executable, "-m", "bridge.sandbox"], ready=listening, after=after)
        after = (*after, "sandbox")
    serve = [sys.executable, "-m", "bridge.cli", "serve", "--host", host, "--port", str(port)]
    yield Child("web", serve, ready=partial(listens, host, port), after=after)
    yield Child("worker", [sys.executable, "-m", *WORKER], ready=Swept(), after=after, hush=FAREWELL)


def _demo_environment(bridge: str, sandbox_port: int) -> dict[str, str]:
    from bridge.sandbox import jira, slack

    return {
        "ALERT_BRIDGE_CONFIG": str(files("bridge.sandbox") / "demo.yaml"),
        "SANDBOX_SECRET": secrets.token_urlsafe(24),
        "SANDBOX_HOST": f"127.0.0.1:{sandbox_port}",
        "SANDBOX_BRIDGE_URL": bridge,
        "SANDBOX_SLACK_TOKEN": slack.TOKEN,
        "SANDBOX_JIRA_TOKEN": jira.TOKEN,
    }


def _greet(settings: Settings, host: str, port: int, then: Callable[[], None]) -> None:
    base = settings.public_url or address(host, port)
    say(f"\nThe bridge is up (Ctrl-C ends it).{' Webhooks go to:' if settings.sources else ''}\n")
    for name in settings.sources:
        say(f"  {name:<12} {base}/hooks/{name}")
    if any(one.key for one in settings.heartbeats.values()):
        say(f"  heartbeats   {base}/ping/<key>: `alert-bridge heartbeats --show-keys`")
    then()


def _demo(sandbox_port: int, data: Path) -> None:
    from bridge.cli import demo

    demo.show(f"http://127.0.0.1:{sandbox_port}", data)


class Swept:
    """Whether a worker looked for work since it was first asked about: it does so every second from when it is ready.

    Once it said True it is asked about the next life of the worker.
    """

    def __init__(self) -> None:
        self._keys = wiring.keyspace(load.own())
        self._since: float | None = None

    def __call__(self) -> bool:
        self._since = self._since or time.time()
        try:
            swept = int(self._keys.client.get(self._keys.key("swept")) or 0) / 1000 > self._since
        except RedisError:
            return False
        if swept:
            self._since = None
        return swept
