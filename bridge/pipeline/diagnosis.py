"""What `doctor` says of what the bridge watches: its checks and heartbeats, its canary, its outgoing heartbeat.

All of it is read in the store: a call of the outgoing heartbeat's address would be a sign of life of a bridge that may
be dead. A target that is down is told, but is no fault of the bridge. Raises RedisError, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge.domain.heartbeat import Plan, Record, State, state
from bridge.domain.words import duration, first_few
from bridge.pipeline.parts import Aviary, Parts
from bridge.pipeline.pulse import EVERY, arrived, withheld
from bridge.pipeline.selfwatch import standing
from bridge.ports import Finding, Level
from bridge.store.checks import OVERDUE, Checks
from bridge.store.heartbeats import Heartbeats
from bridge.store.vitals import Vital

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
LISTED = 8
"""Names that are written out."""
RESTART = "start a worker with this config, or restart it"


def of_checks(store: Checks, names: Sequence[str]) -> Iterator[Finding]:
    """Yield whether workers run the checks of the config, and which of them are down."""
    tally, known = store.tally(), store.standing(names)
    if idle := [name for name in names if known[name].next_run is None]:
        yield Finding(WARN, f"no worker has {first_few(idle, LISTED)} yet", RESTART)
    if len(idle) == len(names):
        return
    if tally.overdue >= OVERDUE:
        late = f"nobody runs the checks: one has been due for {duration(tally.overdue)}"
        yield Finding(FAIL, late, "start a worker; its log says more (checks_paused, checks_broken)")
        return
    down = [name for name in names if known[name].record.down]
    told = f"down: {first_few(down, LISTED)}" if down else "none is down"
    yield Finding(OK, f"{len(names) - len(idle)} of {len(names)} run; {told}")


def of_heartbeats(store: Heartbeats, plans: Sequence[Plan]) -> Iterator[Finding]:
    """Yield how many heartbeats are watched and how they are, and which were never heard."""
    kept, now, resumed = store.load([plan.name for plan in plans]), store.now(), store.resumed()
    names = {plan.name: plan.name.partition(":")[2] for plan in plans}
    if idle := [name for key, name in names.items() if key not in kept]:
        yield Finding(WARN, f"no worker watches {first_few(idle, LISTED)} yet", RESTART)
    if not kept:
        return
    by_state: dict[State, list[str]] = {one: [] for one in State}
    for key, one in kept.items():
        by_state[state(one.record, one.plan, now, resumed)].append(names[key])
    if never := [names[key] for key, one in kept.items() if not _heard(one.record)]:
        address = "`alert-bridge heartbeats --show-keys` has the address that each has to ping"
        yield Finding(WARN, f"never heard: {first_few(never, LISTED)}", address)
    yield Finding(OK, f"{len(kept)} of {len(plans)} watched: {_tallied(by_state)}")


def of_canary(aviary: Aviary | None, vital: Vital) -> Finding:
    """Return whether canaries fly, and how the last one did."""
    if aviary is None:
        return Finding(OK, "off: nothing proves the whole way to Slack again and again (docs/canary.md)")
    on, flight = f"on, every {duration(aviary.every)} to {', '.join(aviary.to)}", vital.flight
    if flight is None:
        return Finding(WARN, f"{on}: none has been sent yet", RESTART)
    if flight.late:
        why = "; ".join(f"{name}: {reason}" if name else reason for name, reason in flight.late.items())
        return Finding(FAIL, f"{on}: the last one was lost: {why}", "docs/canary.md has what to do for each reason")
    if flight.arrived is None:
        return Finding(OK, f"{on}: the first one is under way")
    last = f"the last one arrived {duration(vital.now - flight.arrived)} ago, after {flight.took.total_seconds():.1f} s"
    if arrived(vital, aviary):
        return Finding(OK, f"{on}: {last}")
    return Finding(FAIL, f"{on}: {last}", "start a worker; if one runs, its log says more (canary_lost)")


def of_pulse(parts: Parts, vital: Vital) -> Finding:
    """Return when the outgoing heartbeat got through last, and why it is withheld if it is."""
    if parts.pulse is None:
        return Finding(OK, "off: nobody outside notices when the whole bridge is gone (self_watch.heartbeat_url)")
    sent = vital.pulse.sent
    last = f"it got through last {duration(vital.now - sent)} ago" if sent else "it never got through yet"
    why = withheld(vital, standing(parts, vital), parts.aviary) or vital.pulse.withheld
    if not why and (sent is None or vital.now - sent > 3 * EVERY):
        why = "no worker sends it"
    if not why:
        return Finding(OK, f"sent; {last}")
    do = "docs/self-alerts.md has what must hold for it to be sent; is a worker up for a minute?"
    return Finding(FAIL if sent else WARN, f"withheld: {why}; {last}", do)


def _heard(record: Record) -> bool:
    return bool(record.ends or record.start or record.notes)


def _tallied(by_state: Mapping[State, Sequence[str]]) -> str:
    """Return how many are in each state; which, where that is not as it should be."""
    bad = (State.LATE, State.HELD, State.DOWN)
    return ", ".join(
        f"{len(names)} {one}{f' ({first_few(names, LISTED)})' if one in bad else ''}"
        for one, names in by_state.items()
        if names
    )
