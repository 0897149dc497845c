"""recover: a run that is due → its guard asked, its intent written, the thing done once, its result told.

The intent stands in the store before anything is done, and ends with the result or with its worker's lease. What was
begun is never begun again: a crash costs the run, or the knowledge of what became of it, but brings no second one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge import selfreport
from bridge.domain.alert import Alert, Status, event_id
from bridge.domain.incident import Incident
from bridge.domain.recovery import TOO_LATE, Guard, key_of, spell_of
from bridge.domain.routing import labels_of
from bridge.domain.words import clip, duration
from bridge.pipeline import fence
from bridge.pipeline.audience import SELF, remedies
from bridge.pipeline.parts import Parts, Recovery, links_of
from bridge.ports import Action, Attempt, Refused, RetryAt, Unsure
from bridge.store.chain import Mark, Step
from bridge.store.runs import Answer, Ending, Found, State, Verdict

LOOKS = 32
"""Runs looked at for one ring of the bell."""
REASON = 200
"""Characters of what the other side answered."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Due:
    """A run that is due, and what it takes to run it."""

    parts: Parts
    recovery: Recovery
    found: Found
    began: float
    """When it was looked for, on the fence's clock."""

    @property
    def name(self) -> str:
        return self.found.action

    @property
    def action(self) -> Action:
        return self.recovery.actions[self.name]

    @property
    def guard(self) -> Guard:
        return self.recovery.guards[self.name]

    @property
    def incident(self) -> Incident:
        return self.found.record.incident

    @property
    def key(self) -> str:
        return key_of(self.name, self.found.id, self.found.spell)

    @property
    def now(self) -> datetime:
        """The store's clock, as far as it is known to have gone on."""
        return self.found.now + timedelta(seconds=fence.clock() - self.began)


def recover(parts: Parts, name: str) -> int:
    """Run an action for what it is due for; returns how many runs were ended, whatever became of them."""
    recovery = parts.recovery
    if recovery is None or name not in recovery.actions:
        return 0
    ended = 0
    for _ in range(LOOKS):
        began = fence.clock()  # read before a lease can begin: the fence comes first
        found = recovery.runs.look(name)
        if found is None:
            return ended
        verdict = _one(_Due(parts, recovery, found, began))
        ended += verdict is Verdict.BEGUN
        if verdict is Verdict.BEHIND:
            return ended
    parts.bell.recover(name)
    return ended


def _one(due: _Due) -> Verdict:
    """End a run that is due, one way or another; or return why it can't be ended now."""
    found = due.found
    if found.lapsed:
        token = found.begun.token if found.begun else ""
        return _end(due, State.LOST, "outcome unknown: its worker is gone; not tried again", token)
    if why := _needless(due):
        return _end(due, State.SKIPPED, f"not run: {why}", told=False)
    state, target = _guarded(due, lambda: (State.OPEN, due.action.target(due.incident)))
    if state is not State.OPEN:
        return _end(due, State.FAILED, target)
    if found.now - found.due > TOO_LATE:
        return _end(due, State.HELD, f"not run: it was due {duration(found.now - found.due)} ago")
    if due.recovery.runs.cut_off(found.now):
        return Verdict.BEHIND
    step = _step(due, f"begins, as {due.key}")
    answer = due.recovery.runs.begin(found, due.guard, target, due.parts.lease, [step])
    if answer.verdict in (Verdict.CHANGED, Verdict.BUSY, Verdict.BEHIND):
        return answer.verdict
    if answer.verdict is not Verdict.BEGUN:
        return _end(due, State.HELD, f"not run: {_held(due, answer)}")
    log.info("recovery_begun", action=due.name, incident=found.id, key=due.key, dry_run=due.guard.dry_run)
    state, text = _guarded(due, lambda: _run(due))
    return _end(due, state, text, answer.token, target)


def _needless(due: _Due) -> str:
    """Return why there is nothing left to do, or nothing."""
    incident, begun = due.incident, due.found.begun
    if begun is not None and begun.spell >= due.found.spell:
        return "it was run before"
    if not incident.open:
        return "the incident was resolved before it was due"
    if spell_of(incident) != due.found.spell:
        return "the incident was resolved meanwhile, and fires anew"
    if due.name not in remedies(due.parts.routes, due.recovery.actions, incident):
        return "no route asks for it any more"
    return ""


def _run(due: _Due) -> tuple[State, str]:
    if due.guard.dry_run:
        return State.DRY, f"would {due.action.plan(due.incident)}"
    links = links_of(due.parts, due.incident, due.found.now)
    attempt = Attempt(incident=due.incident, key=due.key, at=due.found.due, links=links)
    with fence.fenced(due.began + due.parts.lease.total_seconds()):
        return State.DONE, due.action.act(attempt)


def _guarded(due: _Due, do: Callable[[], tuple[State, str]]) -> tuple[State, str]:
    """Return what it returns, or what its failure means; an action that fails as nobody foresaw costs only its run."""
    try:
        with selfreport.working_on(labels_of(due.incident)):
            return do()
    except Refused as refused:
        return State.FAILED, f"not done: {clip(str(refused), REASON)}"
    except RetryAt as late:
        return State.FAILED, f"not done: {late.reason}"
    except Unsure as unsure:
        return State.UNSURE, f"outcome unknown: {clip(str(unsure), REASON)}; not tried again"
    except Exception as error:
        do_ = "report it: this is a mistake in the bridge"
        log.exception("recovery_broken", action=due.name, incident=due.found.id, do=do_)
        selfreport.tell(error)
        mistake = f"a mistake in the bridge ({type(error).__name__}): its log has the traceback"
        return State.UNSURE, f"outcome unknown: {mistake}; not tried again"


def _held(due: _Due, answer: Answer) -> str:
    at = answer.at.astimezone(due.recovery.timezone).strftime("%H:%M") if answer.at else ""
    if answer.verdict is Verdict.COOL and answer.at:
        until = (answer.at + due.guard.cool_down).astimezone(due.recovery.timezone).strftime("%H:%M")
        return f"it ran against the same target at {at}, which is left alone until {until} (cool_down)"
    if answer.verdict is Verdict.HOUR:
        return f"it ran {_times(answer.number)} in the last hour, and may again from {at} on (per_hour)"
    return f"it ran {_times(answer.number)} for this incident (per_incident)"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _end(due: _Due, state: State, text: str, token: str = "", target: str = "", *, told: bool = True) -> Verdict:
    note = _note(due, state, text) if told else None
    steps = [] if told else [_step(due, text)]
    ending = Ending(state=state, token=token, target=target, note=note, steps=steps)
    if due.recovery.runs.end(due.found, due.guard, ending):
        level = "warning" if state in (State.FAILED, State.UNSURE, State.LOST) else "info"
        told_as = note.summary if note else text
        getattr(log, level)("recovery_ended", action=due.name, incident=due.found.id, result=state, reason=told_as)
        if note is not None:
            due.parts.bell.ingest()
    return Verdict.BEGUN


def _note(due: _Due, state: State, text: str) -> Alert:
    """Return the statement that tells of it in the incident's timeline, be that resolved by now."""
    title = f"recovery {due.name}{' (dry run)' if due.guard.dry_run else ''}: {due.parts.mask(text)}"
    return due.recovery.scrub(
        Alert(
            source=SELF,
            fingerprint=due.incident.fingerprint,
            event_id=event_id(SELF, due.key, state),
            status=Status.NOTED,
            severity=due.incident.severity,
            at=due.now,
            title=title,
            summary=title,
            number=due.incident.number,
        )
    )


def _step(due: _Due, text: str) -> Step:
    return Step(at=due.now, mark=Mark.RECOVERY, count=due.incident.count, text=f"{due.name}: {text}")
