"""An incident's chain of decisions as sentences in order: what `incidents ID --why` and the HTTP API tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo

import msgspec

from bridge.domain.incident import Incident
from bridge.domain.words import duration
from bridge.store.chain import Mark, Step
from bridge.store.deliveries import Waiting
from bridge.store.incidents import Record

COUNTING = frozenset({Mark.OPENED, Mark.RECURRED, Mark.WORSENED, Mark.EASED, Mark.REOPENED, Mark.LATE})
"""Steps that are a firing statement themselves."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence of the story."""

    at: datetime | None
    """When it was so first; None for repeats, which came between the steps around them, and for how things stand."""
    what: str
    """What kind of step it was: the mark's name in lower case, `repeated`, `duplicate`, `now`."""
    destination: str = ""
    times: int = 1
    text: str


Timed = tuple[datetime, Told]


def story(record: Record, waiting: Mapping[str, Waiting], timezone: tzinfo) -> list[Told]:
    """Return what was decided about an incident, in the order in which it was, and at the end how it stands.

    That is the store's order, not that of the times: a statement bears the time at which it was accepted, an attempt
    the one at which it began. Times inside sentences are in `timezone`. Mere repeats between two steps are one sentence
    with their number.
    """
    timed = list(_counted(record, timezone))
    for at, told in _duplicates(record):
        before = max((place for place, (step, _) in enumerate(timed, 1) if step <= at), default=0)
        timed.insert(before, (at, told))
    return [*(told for _, told in timed), *_standing(record, waiting, timezone)]


def _counted(record: Record, timezone: tzinfo) -> Iterator[Timed]:
    """Yield the steps, with the repeats that were counted between them, each with its time."""
    incident, known = record.incident, 0
    for step in record.chain:
        between = step.count - known - (step.mark in COUNTING)
        if known and between > 0:
            yield step.at, _repeats(between, f"repeated {_times(between)}")
        known = max(known, step.count)
        text = _SENTENCES[step.mark](step, incident)
        told = Told(
            at=step.at, what=step.mark.name.lower(), destination=step.where, times=step.times,
            text=text + _again(step, timezone),
        )  # fmt: skip
        yield step.at, told
    if known and incident.count > known:
        last = f"repeated {_times(incident.count - known)}: counted, no new message"
        yield max(incident.last_seen, record.chain[-1].at), _repeats(incident.count - known, last)


def _repeats(times: int, text: str) -> Told:
    return Told(at=None, what="repeated", times=times, text=text)


def _duplicates(record: Record) -> Iterator[Timed]:
    if found := record.duplicates:
        text = (
            f"swallowed {_times(found.times)}: a statement that was counted before was delivered again"
            f" (the last by request {found.trace or 'unknown'})"
        )
        yield found.last, Told(at=found.last, what="duplicate", times=found.times, text=text)


def _standing(record: Record, waiting: Mapping[str, Waiting], timezone: tzinfo) -> Iterator[Told]:
    names = {*record.receipts, *record.rejected, *waiting}
    for name in sorted(names):
        yield Told(at=None, what="now", destination=name, text=_stands(name, record, waiting.get(name), timezone))
    if not names:
        yield Told(at=None, what="now", text="it is told nowhere, and waits for nothing")


def _stands(name: str, record: Record, waits: Waiting | None, timezone: tzinfo) -> str:
    if waits is not None and waits.blocked_for is not None:
        return f"waits: nothing gets through there for {duration(waits.blocked_for)} more: {waits.blocked_by}"
    if waits is not None:
        return f"waits until {_clock(waits.due, timezone)}"
    if name in record.rejected and _last(record, name) is Mark.SHED:
        return "was refused for good; a change of the incident tries it again"
    if name in record.rejected:
        return f"needs a person: alert-bridge dead-letters show {record.incident.id}@{name}"
    receipt = record.receipts[name]
    where = f" ({receipt.link.label}, {receipt.link.url})" if receipt.link else ""
    return f"{'up to date' if receipt.told >= _newest(record.incident) else 'behind'}{where}"


def _last(record: Record, name: str) -> Mark | None:
    return next((step.mark for step in reversed(record.chain) if step.where == name), None)


def _newest(incident: Incident) -> int:
    return max((entry.version for entry in incident.timeline), default=0)


def _statement(step: Step, incident: Incident) -> str:
    source, _, rest = step.text.partition(" ")
    trace, _, version = rest.partition(" ")
    entry = next((entry for entry in incident.timeline if str(entry.version) == version), None)
    return f"accepted from {source}{_request(trace)}: {entry.text if entry else step.mark.name.lower()}"


def _request(trace: str) -> str:
    return "" if trace == "-" else f" (request {trace})"


def _swallowed(why: str) -> Callable[[Step, Incident], str]:
    def sentence(step: Step, _incident: Incident) -> str:
        source, _, rest = step.text.partition(" ")
        return f"accepted from {source}{_request(rest.partition(' ')[0])}, and swallowed: {why}"

    return sentence


def _routed(step: Step, _incident: Incident) -> str:
    names, _, why = step.text.partition(" ")
    if names == "-":
        return f"routed to nobody: {why or 'there are no routes'}"
    return f"routed to {names.replace(',', ', ')} by {why}"


def _says(before: str) -> Callable[[Step, Incident], str]:
    return lambda step, _: f"{before}{': ' if step.text else ''}{step.text}"


_SENTENCES: Mapping[Mark, Callable[[Step, Incident], str]] = {
    **dict.fromkeys(
        (Mark.OPENED, Mark.RECURRED, Mark.WORSENED, Mark.EASED, Mark.RESOLVED, Mark.REOPENED, Mark.NOTED), _statement
    ),
    Mark.LATE: _swallowed("a newer statement had decided already; it is counted in"),
    Mark.MOOT: _swallowed("nothing is open that it could resolve or note"),
    Mark.ROUTED: _routed,
    Mark.GATED: _says("held back"),
    Mark.CREATED: lambda step, _: f"delivered as {step.text}",
    Mark.FOUND: _says("found again what an interrupted attempt had left"),
    Mark.TOLD: lambda step, _: f"told: {step.text}" if step.text else "brought up to date",
    Mark.ENDED: _says("nothing to do"),
    Mark.WAIT: _says("not tried"),
    Mark.RETRY: _says("attempt failed, nothing was applied"),
    Mark.UNKNOWN: _says("attempt ended without an answer, so it is looked up what it did"),
    Mark.DEAD: _says("rejected for good, now a dead letter"),
    Mark.SHED: _says("there is no room for one more dead letter, so it is tried again only when the incident changes"),
    Mark.FALLBACK: lambda step, _: f"hears of it as the fallback of {step.text}",
    Mark.REPLAYED: _says("a person had the dead letter tried again"),
    Mark.DROPPED: _says("a person dropped the dead letter"),
    Mark.RECOVERY: lambda step, _: f"recovery {step.text}",
    Mark.FORGOTTEN: lambda step, _: f"here {step.times} steps were forgotten, to keep the chain short",
}


def _again(step: Step, timezone: tzinfo) -> str:
    if step.mark is Mark.FORGOTTEN:
        return ""
    often = f"; {step.times} times, the last at {_clock(step.last, timezone)}" if step.last else ""
    return often + (f"; next at {_clock(step.until, timezone)}" if step.until else "")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _clock(at: datetime, timezone: tzinfo) -> str:
    return at.astimezone(timezone).strftime("%H:%M:%S")
