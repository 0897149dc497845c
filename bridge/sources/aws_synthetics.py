"""CloudWatch Synthetics: canaries whose runs fail, or that can't run at all.

Facts: CloudWatch User Guide, "Monitoring canary events with Amazon EventBridge"
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitoring-events-eventbridge.html).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from bridge.domain.alert import Status, from_epoch
from bridge.ports import Ignored
from bridge.sources.aws_event import Event, Name, Reader, Statement, escaped
from bridge.sources.cloudwatch_alarm import NULL, lenient, read

_Epoch = Annotated[float, msgspec.Meta(gt=0, lt=253_370_764_800)]
"""Seconds since 1970, up to the year 9999."""
_STATES = {
    "ERROR": (Status.FIRING, "in error"),
    "STOPPED": (Status.NOTED, "stopped: no run will tell whether it works again"),
    "DELETING": (Status.RESOLVED, "being deleted"),
}


class _Timeline(msgspec.Struct):
    completed: _Epoch | None = None
    started: _Epoch | None = None


class _Run(msgspec.Struct, rename="kebab"):
    canary_name: Name
    canary_run_id: str = ""
    state_reason: str | None = None
    artifact_location: str | None = None
    canary_run_timeline: msgspec.Raw = NULL


class _State(msgspec.Struct, rename="kebab"):
    canary_name: Name
    current_state: Name
    previous_state: str = ""
    message: str | None = None
    updated_on: msgspec.Raw = NULL


def _failed(event: Event) -> Statement:
    return _run(event, Status.FIRING, "failed")


def _passed(event: Event) -> Statement:
    return _run(event, Status.RESOLVED, "passed")


def _run(event: Event, status: Status, words: str) -> Statement:
    said = read(event.detail, _Run, "Message.detail")
    times = lenient(said.canary_run_timeline, _Timeline, _Timeline())
    reason = _spoken(said.state_reason) or f"the run {words}"
    run = {"Run": said.canary_run_id, "Artifacts": said.artifact_location or ""}
    return _statement(event, said.canary_name, status, words, reason, times.completed or times.started, run)


def _state(event: Event) -> Statement | Ignored:
    said = read(event.detail, _State, "Message.detail")
    state = said.current_state
    if state not in _STATES:
        return Ignored(f"canary {said.canary_name!r} went from {said.previous_state} to {state}: its runs tell more")
    status, words = _STATES[state]
    updated = lenient(said.updated_on, _Epoch, None)
    return _statement(event, said.canary_name, status, words, _spoken(said.message) or f"canary {words}", updated, {})


def _statement(
    event: Event, name: str, status: Status, words: str, reason: str, at: float | None, facts: dict[str, str]
) -> Statement:
    return Statement(
        place=event.place,
        kind="canary",
        names=(name,),
        id=(event.id,),
        status=status,
        at=_moment(event, at),
        title=f"{name}: canary {words}",
        summary=reason,
        service=name,
        url=_page(event, name),
        labels={"aws_service": "synthetics", "canary": name, "event": event.kind},
        facts={"Canary": name} | facts,
    )


def _moment(event: Event, at: float | None) -> datetime:
    return from_epoch(at) if at else event.at()


def _page(event: Event, name: str) -> str:
    home = f"cloudwatch/home?region={event.place.region}"
    return event.place.console(f"{home}#synthetics:canary/detail/{escaped(name)}")


def _spoken(text: str | None) -> str:
    """Return a reason without the quotes it comes in; "null" is AWS's word for none."""
    words = (text or "").strip().strip('"').strip()
    return "" if words.lower() == "null" else words


READERS: dict[str, Reader] = {
    "Synthetics Canary TestRun Failure": _failed,
    "Synthetics Canary TestRun Successful": _passed,
    "Synthetics Canary Status Change": _state,
}
