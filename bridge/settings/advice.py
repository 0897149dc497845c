"""What is not wrong, but hardly meant: warnings about a config that can be used."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.routing import Route
from bridge.settings.document import Document
from bridge.settings.options import is_loopback
from bridge.settings.sections import General

FIRST = {
    "sources": 'sentry: {kind: sentry, client_secret: "${SENTRY_CLIENT_SECRET}"}',
    "destinations": 'oncall: {kind: slack, token: "${SLACK_BOT_TOKEN}", channel: C0ONCALL}',
    "heartbeats": 'nightly-backup: {key: "${BACKUP_KEY}", period: 1d, grace: 1h}',
    "checks": "shop: {url: https://shop.example.com/health}",
    "recovery": 'restart-shop: {kind: webhook, url: "${RESTART_URL}", secret: "${RESTART_SECRET}"}',
    "routes": "[{match: ['severity=critical'], to: [oncall]}]",
    "links": "[{label: Trace, kind: jaeger, url: https://jaeger.example.com}]",
}
"""What a section may begin with."""
_NONE = {
    "sources": "there are no sources (and no checks or heartbeats), so nothing can come in",
    "destinations": "there are no destinations, so nobody would be told",
}


def empty(section: str) -> str:
    """Return what is said of a section that has to have an entry and has none."""
    return f"{_NONE[section]}: add one, as in {section}: {{{FIRST[section]}}}"


def misshapen(section: str) -> str:
    """Return what is said of a section that is no map of names, or no list."""
    what, first = ("list", FIRST[section]) if FIRST[section][0] == "[" else ("map of names", f"{{{FIRST[section]}}}")
    return f"has to be a {what}, as in {section}: {first}"


def give(
    document: Document,
    general: General,
    routes: Sequence[Route],
    destinations: Sequence[str],
    actions: Sequence[str] = (),
) -> None:
    """Add warnings to the document."""
    if general.public_url.startswith("http://") and not is_loopback(general.public_url):
        message = "is plain http, so secrets in requests can be read on the way: put TLS in front, and write https"
        document.warn(("public_url",), message)
    if routes and not document.problems:
        _about_routes(document, routes, destinations)
    if not document.problems:
        _about_recovery(document, routes, actions)


def _about_routes(document: Document, routes: Sequence[Route], destinations: Sequence[str]) -> None:
    for index, route in enumerate(routes):
        first = _shadow(routes[:index], route)
        if first is not None:
            message = f"is never asked: routes[{first}] takes everything it would match. Move it up, or remove it"
            document.warn(("routes", index), message)
    told = {name for route in routes for name in route.to}
    for name in destinations:
        if name not in told:
            document.warn(("destinations", name), "no route leads here, so it hears nothing: name it in a route's to")
    if all(route.match for route in routes):
        message = (
            "what no route matches is told to nobody: end with a route without match, or with to: [] if it is meant"
        )
        document.warn(("routes",), message)


def _about_recovery(document: Document, routes: Sequence[Route], actions: Sequence[str]) -> None:
    for index, route in enumerate(routes):
        if route.recover and not route.match:
            message = "runs against any incident whatever: give this route a match that only what it can help has"
            document.warn(("routes", index, "recover"), message)
    asked = {name for route in routes for name in route.recover}
    for name in actions:
        if name not in asked:
            document.warn(("recovery", name), "no route asks for it, so it never runs: name it in a route's recover")


def _shadow(above: Sequence[Route], route: Route) -> int | None:
    """Return the first route above that takes whatever this one would match."""
    taking = (i for i, other in enumerate(above) if not other.continue_ and set(other.match) <= set(route.match))
    return next(taking, None)
