"""Who hears of an incident: by the routes, but never of a destination's trouble at that destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.domain.incident import Incident
from bridge.domain.routing import Route, destinations_for, labels_of

SELF = "alert-bridge"
"""The source of the bridge's own alerts; a label `destination` says which one they are about."""


def audience(routes: Sequence[Route], destinations: Iterable[str], incident: Incident) -> tuple[str, ...]:
    """Return the destinations that are to hear of an incident, in the order of the routes.

    Of the trouble of one destination the others hear: those of the routes, or if there are none, all of them.
    """
    routed = destinations_for(routes, labels_of(incident))
    broken = about(incident)
    if not broken:
        return routed
    return tuple(n for n in routed if n != broken) or tuple(n for n in destinations if n != broken)


def about(incident: Incident) -> str:
    """Return the destination whose trouble an incident of the bridge's own is about, or nothing."""
    return incident.labels.get("destination", "") if incident.source == SELF else ""
