"""alert-bridge heartbeats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Failure, Unreachable, load, say
from bridge.cli.table import output_option, show
from bridge.domain.heartbeat import Plan, State, called_missing, state
from bridge.domain.heartbeat_words import outcome, rhythm
from bridge.domain.ping import Ping
from bridge.domain.words import clip, duration
from bridge.settings import Settings
from bridge.settings.heartbeats import HEARTBEAT, SOURCE
from bridge.settings.problems import did_you_mean
from bridge.store.heartbeats import Heartbeats, Kept

MASK = "•••"
HELD = "Its ping may have found nobody: it is down only if none comes until `down at`."


@click.command("heartbeats")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--show-keys", is_flag=True, help="Addresses with their keys: who knows one can ping.")
@output_option
def command(name: str | None, show_keys: bool, output: str) -> None:  # noqa: FBT001 - a flag
    """List heartbeats, and sources that have to speak now and then; or show one, with its newest pings.

    States: new (never heard), up, started (a run is under way), late (within its grace), held (past it, but the
    bridge was away and may have missed its ping), down.
    """
    settings = load.settings()
    plans = {plan.name: plan for plan in wiring.plans(settings)}
    store = Heartbeats(wiring.keyspace(settings))
    try:
        kept = store.load(list(plans))
        now, resumed = store.now(), store.resumed()
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error
    if name is not None:
        _one(_found(name, plans), kept, settings.timezone, output)
        return
    if len(kept) < len(plans):
        say("What has no state is watched by no worker yet: see that one runs with this config.")
    addresses = dict(_addresses(settings, show_keys=show_keys))
    zone = settings.timezone
    rows = [_row(plan, kept.get(key), now, resumed, zone, addresses.get(key, "")) for key, plan in plans.items()]
    if any(row["state"] == State.HELD for row in rows):
        say(f"What is held is past its time, but the bridge was away until {resumed.astimezone(zone):%H:%M:%S}. {HELD}")
    show(rows, output, "No heartbeats: add some under `heartbeats` in the config, or `expect_every` to a source.")


def _found(name: str, plans: dict[str, Plan]) -> str:
    for key in (HEARTBEAT + name, SOURCE + name):
        if key in plans:
            return key
    hint = did_you_mean(name, [key.partition(":")[2] for key in plans]) or " `alert-bridge heartbeats` lists them"
    raise Failure(f'there is no heartbeat "{name}" in the config.{hint}')


def _addresses(settings: Settings, *, show_keys: bool) -> Iterator[tuple[str, str]]:
    """Yield where each is pinged."""
    for name, options in settings.heartbeats.items():
        if options.key is not None:
            key = options.key.get_secret_value() if show_keys else MASK
            yield HEARTBEAT + name, f"{settings.public_url}/ping/{key}"
        elif options.alert is not None:
            yield HEARTBEAT + name, f"{options.alert.source} {{{', '.join(options.alert.match)}}}"
    for name in settings.sources:
        yield SOURCE + name, f"{settings.public_url}/hooks/{name}"


def _row(
    plan: Plan, kept: Kept | None, now: datetime, resumed: datetime, zone: tzinfo, address: str
) -> dict[str, object]:
    kind, _, name = plan.name.partition(":")
    last = kept.record.last if kept else None
    due = called_missing(kept.record, kept.plan, resumed) if kept and not kept.record.trouble else None
    return {
        "kind": kind,
        "name": name,
        "state": str(state(kept.record, kept.plan, now, resumed)) if kept else "",
        "expected": rhythm(plan),
        "last_ping": last.at.astimezone(zone) if last else None,
        "said": outcome(last) if last else "",
        "down_at": due.astimezone(zone) if due else None,
        "address": address,
    }


def _one(key: str, kept: dict[str, Kept], zone: tzinfo, output: str) -> None:
    record = kept[key].record if key in kept else None
    pings = [*record.ends, *([record.start] if record.start else []), *record.notes] if record else []
    pings.sort(key=lambda ping: ping.at, reverse=True)
    rows = [_shown(ping, zone, whole=output == "json") for ping in pings]
    show(rows, output, "Never pinged.", whole=True)
    if record and output == "table" and record.took is not None:
        say(f"The last run took {duration(record.took)}.")


def _shown(ping: Ping, zone: tzinfo, *, whole: bool) -> dict[str, object]:
    body = ping.body if whole else clip(" ".join(ping.body.split()), 100)
    return {"at": ping.at.astimezone(zone), "said": outcome(ping), "run": ping.run, "body": body}
