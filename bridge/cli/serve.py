"""alert-bridge serve."""

from __future__ import annotations

import os

import click

from bridge.cli import load


@click.command("serve")
@click.option("--host", default=lambda: os.environ.get("HOST", "127.0.0.1"), show_default="$HOST or 127.0.0.1")
@click.option("--port", type=int, default=lambda: int(os.environ.get("PORT", "8080")), show_default="$PORT or 8080")
def command(host: str, port: int) -> None:
    """Run the HTTP receiver alone; as many of them as you like may share one store."""
    load.settings()  # a mistake is better told by the command than by a traceback of the server
    import uvicorn

    uvicorn.run(
        "bridge.web.serve:build",
        factory=True,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )
