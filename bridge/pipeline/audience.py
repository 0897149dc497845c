"""Who hears of an incident, and what is tried against it: by the routes, with care about the bridge's own alerts."""

from __future__ import annotations

from collections.abc import Container, Iterable

from bridge.domain.canary import is_canary
from bridge.domain.incident import Incident
from bridge.domain.routing import Routes

SELF = "alert-bridge"
"""The source of the bridge's own alerts; a label `destination` says which one they are about."""


def audience(
    routes: Routes, destinations: Iterable[str], incident: Incident, canary: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the destinations that are to hear of an incident, in the order of the routes.

    Of the trouble of one destination the others hear: those of the routes, or if there are none, all of them.
    Of a canary those that are named for it (`canary`), whatever the routes say.
    """
    if is_canary(incident.fingerprint):
        return canary
    routed = routes.way(incident).to
    broken = about(incident)
    if not broken:
        return routed
    return tuple(n for n in routed if n != broken) or tuple(n for n in destinations if n != broken)


def remedies(routes: Routes, actions: Container[str], incident: Incident) -> tuple[str, ...]:
    """Return the recovery actions that are to be tried against an incident, in the order of the routes.

    Never against one of the bridge's own: what keeps it from telling people is no reason to restart anything.
    """
    if incident.source == SELF or is_canary(incident.fingerprint):
        return ()
    return tuple(name for name in routes.way(incident).recover if name in actions)


def about(incident: Incident) -> str:
    """Return the destination whose trouble an incident of the bridge's own is about, or nothing."""
    return incident.labels.get("destination", "") if incident.source == SELF else ""
