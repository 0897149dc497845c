"""alert-bridge incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import click
import msgspec
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Failure, Unreachable, load
from bridge.cli.screen import one_line
from bridge.cli.table import output_option, show, spaced
from bridge.domain.words import clip
from bridge.pipeline.story import Told, story
from bridge.ports import Receipt
from bridge.settings import Settings
from bridge.store.deliveries import Deliveries
from bridge.store.incidents import Incidents, Record


@click.command("incidents")
@click.argument("incident", required=False, metavar="[ID]")
@click.option("--all", "closed", is_flag=True, help="Resolved ones too.")
@click.option("--why", is_flag=True, help="Of one: every decision about it, in order.")
@output_option
def command(incident: str | None, closed: bool, why: bool, output: str) -> None:  # noqa: FBT001 - flags
    """List open incidents, the newest first; or show one, with its history and where it was told.

    With --why: why it was sent, merged, held back or dropped, step by step.
    """
    if why and incident is None:
        raise click.UsageError("--why explains one incident: name it, as in `alert-bridge incidents ID --why`")
    settings = load.settings()
    keys = wiring.keyspace(settings)
    store = Incidents(keys)
    try:
        if incident is None:
            found = [r for r in store.each() if r.listed and (closed or r.incident.open)]
            found.sort(key=lambda r: r.incident.last_seen, reverse=True)
            show([_row(r, settings.timezone) for r in found], output, "No open incidents.")
            return
        record = store.find(incident)
        told = _why(record, Deliveries(keys), settings) if why and record else []
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error
    if record is None:
        raise Failure(f'there is no incident "{incident}"; `alert-bridge incidents --all` lists them')
    if why:
        _tell(record, told, settings.timezone, output)
    else:
        _show(record, settings.timezone, output)


def _why(record: Record, deliveries: Deliveries, settings: Settings) -> list[Told]:
    waiting = deliveries.waiting(record.incident.id, list(settings.destinations))
    return story(record, waiting, settings.timezone)


def _tell(record: Record, told: Sequence[Told], timezone: tzinfo, output: str) -> None:
    if output == "json":
        show([msgspec.to_builtins(one) | {"at": one.at and one.at.astimezone(timezone)} for one in told], output, "")
        return
    i = record.incident
    click.echo(f"{i.id}  {i.status}, {i.severity}, count {i.count}: {one_line(clip(i.title, 80))}\n")
    if not record.chain:
        click.echo("Its decisions are not known: it was opened before the bridge kept them.", err=True)
    for one in told:
        when = one.at.astimezone(timezone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if one.at else _untimed(one).ljust(23)
        click.echo(f"{when}  {f'{one.destination}: ' if one.destination else ''}{one_line(one.text)}")


def _untimed(one: Told) -> str:
    return "now" if one.what == "now" else "…"


def _row(record: Record, timezone: tzinfo) -> dict[str, object]:
    i = record.incident
    return {
        "id": i.id,
        "status": str(i.status),
        "severity": str(i.severity),
        "count": i.count,
        "last_seen": i.last_seen.astimezone(timezone),
        "service": i.service,
        "title": i.title,
        "told": ", ".join(_named(name, r) for name, r in sorted(record.receipts.items())),
    }


def _named(destination: str, receipt: Receipt) -> str:
    """Return the destination's name and what its link names there beyond the system: `tickets OPS-3`."""
    return f"{destination} {receipt.link.label.partition(' ')[2] if receipt.link else ''}".rstrip()


def _show(record: Record, timezone: tzinfo, output: str) -> None:
    i = record.incident
    facts = _row(record, timezone) | {
        "environment": i.environment,
        "summary": i.summary,
        "trace_id": i.trace_id,
        "first_seen": i.first_seen.astimezone(timezone),
        "source": i.source,
        "url": i.url,
        "redactions": i.redactions,
        "waiting": ", ".join(sorted(record.attempted)),
    }
    history = [{"at": e.at.astimezone(timezone), "change": str(e.change), "text": e.text} for e in i.timeline]
    told = [
        {"destination": name, "up_to_version": r.version, "where": r.link.url if r.link else " ".join(r.handle)}
        for name, r in sorted(record.receipts.items())
    ]
    if output == "json":
        show([facts | {"history": history, "told": told}], output, "")
        return
    known = [{"what": spaced(k), "is": v} for k, v in facts.items() if v not in ("", None) and k != "told"]
    show(known, output, "", whole=True)
    click.echo()
    show(history, output, "No history.", whole=True)
    click.echo()
    show(told, output, "Told nowhere yet.", whole=True)
