"""alert-bridge check-config."""

from __future__ import annotations

import click

from bridge.cli import load, say


@click.command("check-config")
def command() -> None:
    """Check the config that ALERT_BRIDGE_CONFIG names (default config/bridge.yaml)."""
    settings = load.settings()
    for warning in settings.warnings:
        say(f"warning: {warning}")
    click.echo(
        f"The config is right: {len(settings.sources)} sources ({', '.join(settings.sources)}), "
        f"{len(settings.destinations)} destinations ({', '.join(settings.destinations)}), "
        f"{len(settings.routes)} routes, {len(settings.links)} links."
    )
