"""alert-bridge send-test."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click
import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge import wiring
from bridge.cli import Failure, Unreachable, here, load, say
from bridge.domain.alert import Status
from bridge.ports import Source
from bridge.sandbox.sns import LocalSns
from bridge.sources.cloudwatch import CannotSign, CloudWatch


@click.command("send-test")
@click.argument("source")
@click.option("--resolved", is_flag=True, help="Say that the made-up problem is over.")
@click.option("--url", help="The bridge to send it to.  [default: http://127.0.0.1:$PORT or :8080]")
@click.option("--times", type=click.IntRange(1, 1000), default=1, show_default=True, help="How often.")
def command(source: str, resolved: bool, url: str | None, times: int) -> None:  # noqa: FBT001 - a flag
    """Send a sample alert of SOURCE (a name in the config), proven as the real sender would prove it."""
    sources = wiring.sources(load.settings())
    if source not in sources:
        raise click.BadParameter(f'there is no source "{source}" in the config; it has {", ".join(sources) or "none"}')
    if url is not None and not url.startswith(("http://", "https://")):
        raise click.BadParameter(
            f'"{url}" is no address of a bridge: write https://alerts.example.com', param_hint="--url"
        )
    _lend_key(sources[source])
    base = (url or f"http://127.0.0.1:{os.environ.get('PORT', '8080')}").rstrip("/")
    for _ in range(times):
        answer = _send(sources[source], f"{base}/hooks/{source}", Status.RESOLVED if resolved else Status.FIRING)
        click.echo(f"{answer.status_code} {answer.text}")
        if answer.status_code >= 400:
            raise Failure(_advice(answer.status_code))


def _send(source: Source, url: str, status: Status) -> httpx.Response:
    try:
        sample = source.sample(status, datetime.now(UTC))
    except CannotSign as error:
        raise Failure(str(error)) from error
    target = f"{url}/{sample.path_secret}" if sample.path_secret else url
    say(f"POST {url}")
    try:
        return httpx.post(target, headers=sample.headers, content=sample.body, timeout=10)
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} can't be reached: {error}\nIs the bridge up? Is --url right?") from error


def _lend_key(source: Source) -> None:
    """Let a CloudWatch source sign with the sandbox's key, if a sandbox left one here."""
    path = here.data_directory() / "sandbox" / "sns-key.pem"
    host = os.environ.get("SANDBOX_HOST", "127.0.0.1:8090")
    if isinstance(source, CloudWatch) and path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, rsa.RSAPrivateKey):
            source.signer = LocalSns(f"http://{host}", key).signer


def _advice(status: int) -> str:
    return {
        401: "the bridge does not believe it: it runs with another secret than this config has",
        404: "the bridge has no source of this name: it runs with another config",
        503: "the bridge could not store it: see its log, and `alert-bridge doctor`",
    }.get(status, "see the bridge's log")
