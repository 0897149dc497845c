"""alert-bridge serve."""

from __future__ import annotations

import click

from bridge.cli import load
from bridge.cli.port import listening_options, must_be_free


@click.command("serve")
@listening_options
def command(host: str, port: int) -> None:
    """Run the HTTP receiver alone; as many of them as you like may share one store."""
    load.own()  # a mistake is better told by the command than by a traceback of the server
    must_be_free(host, port, "--port or PORT")
    import uvicorn

    uvicorn.run(
        "bridge.web.serve:build",
        factory=True,
        host=host,
        port=port,
        http="bridge.web.protocol:Punctual",
        ws="none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )
