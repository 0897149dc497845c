"""Routing: which destinations hear of an incident, from when on, and what is tried against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from bridge.domain.alert import Severity
from bridge.domain.incident import Incident
from bridge.domain.matcher import Matcher, Op, parse_matchers

__all__ = [
    "Decision",
    "Matcher",
    "Op",
    "Route",
    "Routes",
    "Threshold",
    "Verdict",
    "Way",
    "decide",
    "destinations_for",
    "due_at",
    "labels_of",
    "matching",
    "parse_matchers",
    "recoveries_for",
]


REMEMBERED = 1024
"""Different answers that are kept."""
_OWN: dict[str, Callable[[Incident], str]] = {
    "source": lambda incident: incident.source,
    "severity": lambda incident: incident.severity.value,
    "service": lambda incident: incident.service or incident.labels.get("service", ""),
    "environment": lambda incident: incident.environment or incident.labels.get("environment", ""),
}
"""Of what routes see, what is more than a label."""


class Route(msgspec.Struct, frozen=True):
    """Incidents whose labels pass all matchers go to these destinations."""

    match: tuple[Matcher, ...] = ()
    """None at all: everything matches."""
    to: tuple[str, ...] = ()
    """None at all: what matches is told to nobody."""
    continue_: bool = False
    """Ask the following routes too."""
    recover: tuple[str, ...] = ()
    """Recovery actions that are tried against what matches."""

    def refusal(self, labels: Mapping[str, str]) -> Matcher | None:
        """Return the first matcher that the labels don't pass, or None when the route matches."""
        return next((matcher for matcher in self.match if not matcher.matches(labels)), None)

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.match)) + "}" if self.match else "{} (everything)"


class Verdict(msgspec.Struct, frozen=True):
    """What one route said."""

    index: int
    """Its place in the config, from 0: `routes[<index>]`."""
    matched: bool
    why: str
    """A line to read: `routes[0] {severity="critical"}: severity is "error"`."""


class Decision(msgspec.Struct, frozen=True):
    """Where an incident goes, and why."""

    to: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    """Of each route that was asked, in order."""


class Way(msgspec.Struct, frozen=True):
    """Where the routes lead an incident."""

    taken: tuple[int, ...]
    """Places of the routes it takes, from 0."""
    to: tuple[str, ...]
    recover: tuple[str, ...]


class Routes(tuple[Route, ...]):
    """The routes of a config; they remember where they led, for a storm asks the same over and over.

    An answer depends on those labels alone that the matchers look at.
    """

    def __init__(self, _: Iterable[Route] = ()) -> None:
        names = dict.fromkeys(matcher.name for route in self for matcher in route.match)
        self._asked = tuple((name, _OWN.get(name)) for name in names)
        self._remembered = lru_cache(REMEMBERED)(self._way)

    def way(self, incident: Incident) -> Way:
        """Return where an incident goes, by what `labels_of` says of it."""
        labels = incident.labels
        return self._remembered(*[own(incident) if own else labels.get(name, "") for name, own in self._asked])

    def _way(self, *values: str) -> Way:
        labels = dict(zip((name for name, _ in self._asked), values, strict=True))
        return Way(matching(self, labels), destinations_for(self, labels), recoveries_for(self, labels))


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """What makes an incident worth telling a destination that knows nothing of it yet."""

    min_severity: Severity = Severity.INFO
    min_count: int = 1
    for_: timedelta = timedelta()
    """How long it must have been firing."""


def destinations_for(routes: Sequence[Route], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the destinations that hear of these labels: in the order of the routes, each once."""
    return tuple(dict.fromkeys(name for _, route in _matching(routes, labels) for name in route.to))


def recoveries_for(routes: Sequence[Route], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the recovery actions that are tried against these labels: in the order of the routes, each once."""
    return tuple(dict.fromkeys(name for _, route in _matching(routes, labels) for name in route.recover))


def decide(routes: Sequence[Route], labels: Mapping[str, str]) -> Decision:
    """Return the same as `destinations_for`, with what each route said."""
    matching = {index for index, _ in _matching(routes, labels)}
    final = (index for index in matching if not routes[index].continue_)
    asked = routes[: next(final, len(routes)) + 1]
    verdicts = tuple(Verdict(i, i in matching, _why(i, route, labels)) for i, route in enumerate(asked))
    return Decision(destinations_for(routes, labels), verdicts)


def matching(routes: Sequence[Route], labels: Mapping[str, str]) -> tuple[int, ...]:
    """Return the places of the routes that these labels take, from 0."""
    return tuple(index for index, _ in _matching(routes, labels))


def labels_of(incident: Incident) -> dict[str, str]:
    """Return what routes see: the incident's labels, with source, severity, service and environment.

    These four win over labels of the same name, unless the incident has no service or environment of its own.
    """
    own = {name: read(incident) for name, read in _OWN.items()}
    return {**incident.labels, **{name: value for name, value in own.items() if value}}


def due_at(threshold: Threshold, incident: Incident, now: datetime) -> datetime | None:
    """Return when a destination that was told nothing yet is to hear of an incident; None if it isn't to, as yet.

    A later statement (worse, once more) makes it worth asking again.
    """
    worth = incident.severity.rank >= threshold.min_severity.rank and incident.count >= threshold.min_count
    if not (incident.open and worth):
        return None
    # A sender whose clock is ahead must not hold up what is to be told at once.
    return max(now, min(incident.fired_at, now) + threshold.for_)


def _matching(routes: Sequence[Route], labels: Mapping[str, str]) -> Iterator[tuple[int, Route]]:
    for index, route in enumerate(routes):
        if route.refusal(labels) is None:
            yield index, route
            if not route.continue_:
                return


def _why(index: int, route: Route, labels: Mapping[str, str]) -> str:
    refusal = route.refusal(labels)
    if refusal is not None:
        value = labels.get(refusal.name)
        actual = f'{refusal.name} is "{value}"' if value else f"there is no {refusal.name}"
        return f"routes[{index}] {route}: {actual}"
    goes = f"to {', '.join(route.to)}" if route.to else "to nobody"
    recovers = f", recovers by {', '.join(route.recover)}" if route.recover else ""
    return f"routes[{index}] {route}: matches, {goes}{recovers}{'; asking on' if route.continue_ else ''}"
