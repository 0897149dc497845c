"""alert-bridge incidents."""

from __future__ import annotations

from datetime import datetime, tzinfo

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Failure, Unreachable, load
from bridge.cli.table import output_option, show
from bridge.domain.words import clip
from bridge.store.incidents import Incidents, Record


@click.command("incidents")
@click.argument("incident", required=False, metavar="[ID]")
@click.option("--all", "closed", is_flag=True, help="Resolved ones too.")
@output_option
def command(incident: str | None, closed: bool, output: str) -> None:  # noqa: FBT001 - a flag
    """List open incidents, the newest first; or show one, with its history and where it was told."""
    settings = load.settings()
    store = Incidents(wiring.keyspace(settings))
    try:
        if incident is None:
            found = [r for r in store.each() if r.incident.count and (closed or r.incident.open)]
            found.sort(key=lambda r: r.incident.last_seen, reverse=True)
            show([_row(r, settings.timezone) for r in found], output, "No open incidents.")
            return
        record = store.find(incident)
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error
    if record is None:
        raise Failure(f"there is no incident {incident}; `alert-bridge incidents --all` lists them")
    _story(record, settings.timezone, output)


def _row(record: Record, timezone: tzinfo) -> dict[str, object]:
    i = record.incident
    return {
        "id": i.id,
        "status": str(i.status),
        "severity": str(i.severity),
        "count": i.count,
        "last seen": _time(i.last_seen, timezone),
        "service": i.service,
        "title": clip(i.title, 60),
        "told": ", ".join(r.link.label if r.link else name for name, r in sorted(record.receipts.items())),
    }


def _story(record: Record, timezone: tzinfo, output: str) -> None:
    i = record.incident
    facts = _row(record, timezone) | {
        "environment": i.environment,
        "summary": i.summary,
        "trace id": i.trace_id,
        "first seen": _time(i.first_seen, timezone),
        "source": i.source,
        "url": i.url,
        "redactions": i.redactions,
        "waiting": ", ".join(sorted(record.attempted)),
    }
    history = [{"at": _time(e.at, timezone), "change": str(e.change), "text": e.text} for e in i.timeline]
    told = [
        {"destination": name, "up to version": r.version, "where": r.link.url if r.link else " ".join(r.handle)}
        for name, r in sorted(record.receipts.items())
    ]
    if output == "json":
        show([facts | {"history": history, "told": told}], output, "")
        return
    show([{"what": k, "is": v} for k, v in facts.items() if v not in ("", None) and k != "told"], output, "")
    click.echo()
    show(history, output, "No history.")
    click.echo()
    show(told, output, "Told nowhere yet.")


def _time(at: datetime, timezone: tzinfo) -> str:
    return at.astimezone(timezone).isoformat(" ", "seconds")
