"""receive: raw request → proven, parsed, traced, scrubbed alerts."""

from __future__ import annotations

import msgspec

from bridge.domain.alert import Alert
from bridge.domain.words import clip
from bridge.enrich.scrub import Scrubber
from bridge.enrich.trace import traced
from bridge.ports import Parsed, Request, Source

TORN = 48
"""Characters that go from the end of a text that was cut: they may be half a secret, which has no shape any more."""
SHORT = 100
"""A shorter text that ends in "…" was written so: nothing in the bridge and no SDK cuts below that."""


def receive(source: Source, scrubber: Scrubber, request: Request) -> Parsed:
    """Return what a request says, ready to be stored; raises Unverified or Unparseable.

    The trace id is looked for before the scrubbing, which might cut it, and nothing is stored before the scrubbing.
    A time in the future is taken as now: a sender's fast clock must not outlast its own resolution.
    """
    source.verify(request)
    return understand(source, scrubber, request)


def understand(source: Source, scrubber: Scrubber, request: Request) -> Parsed:
    """Return what a request says that was proven before; raises Unparseable."""
    parsed = source.parse(request)
    if not isinstance(parsed, list):
        return parsed
    alerts = [_traced(alert, request) for alert in parsed]
    if len(alerts) > 1 and scrubber.innocent(alerts):
        return [_untorn(alert, alert) for alert in alerts]
    return [cleaned(alert, scrubber) for alert in alerts]


def _traced(alert: Alert, request: Request) -> Alert:
    if alert.at > request.received_at:
        alert = msgspec.structs.replace(alert, at=request.received_at)
    return traced(alert)


def cleaned(alert: Alert, scrubber: Scrubber) -> Alert:
    """Return an alert as it may be stored: scrubbed, and without what may be half a secret where it came cut."""
    return _untorn(alert, scrubber.scrub(alert))


def _untorn(given: Alert, scrubbed: Alert) -> Alert:
    """Return the scrubbed alert without the last words of what came cut, be it by the source or by the sender."""
    every = given.title, given.summary, given.details, *given.facts.values(), *given.labels.values()
    if not any(map(_is_cut, every)):
        return scrubbed  # nearly always
    texts = {name: getattr(scrubbed, name) for name in ("title", "summary", "details") if _is_cut(getattr(given, name))}
    facts = {name for name, value in given.facts.items() if _is_cut(value)}
    labels = {name for name, value in given.labels.items() if _is_cut(value)}
    return msgspec.structs.replace(
        scrubbed,
        **{name: _shorter(text) for name, text in texts.items()},
        facts={name: _shorter(value) if name in facts else value for name, value in scrubbed.facts.items()},
        labels={name: _shorter(value) if name in labels else value for name, value in scrubbed.labels.items()},
    )


def _is_cut(text: str) -> bool:
    return len(text) >= SHORT and text.endswith(("…", "..."))


def _shorter(text: str) -> str:
    return clip(text, max(1, len(text) - TORN)) if text.endswith(("…", "...")) else text
