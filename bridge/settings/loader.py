"""The sections of a config, one after the other, each held to the types of its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from bridge.domain.routing import Route
from bridge.settings import advice
from bridge.settings.checks import DEFAULT_KIND, PlannedCheck, PlanOptions
from bridge.settings.complaints import complain
from bridge.settings.document import Document, Path
from bridge.settings.fields import keys
from bridge.settings.heartbeats import HeartbeatOptions, LivenessOptions, check
from bridge.settings.names import complaint
from bridge.settings.options import Options, Secret
from bridge.settings.problems import Problem, did_you_mean, listed
from bridge.settings.recovery import GuardOptions, Recovery
from bridge.settings.secret_files import SecretFiles
from bridge.settings.sections import (
    Configured,
    Destination,
    General,
    Kinds,
    Redis,
    RouteOptions,
    Settings,
    ThresholdOptions,
    data_path,
)

SECTIONS = ("sources", "destinations", "routes", "recovery", "links", "scrub", "heartbeats", "checks")
RESERVED = {"checks": "the bridge's own checks", "heartbeats": "heartbeats", "alert-bridge": "the bridge's own trouble"}
"""Names that alerts of the bridge's own making have as their source."""
DEFINED = {"destination": "destinations:", "recovery action": "recovery:"}
Model = TypeVar("Model", bound=Options)
Data = dict[str, object]


class Loader:
    """Goes through the sections; what is wrong gathers in the document, and what can't be read is left out."""

    def __init__(self, found: Document, files: SecretFiles, kinds: Kinds, environ: Mapping[str, str]) -> None:
        self._found = found
        self._files = files
        self._kinds = kinds
        self._environ = environ

    def settings(self) -> Settings | None:
        """Return the settings; None (or ones that must not be used) when there are problems."""
        top = self._found.data
        if self._found.problems and not isinstance(top, dict):
            return None
        if not isinstance(top, dict):
            self._found.fail((), "the config has no sources and destinations: begin with a copy of config/bridge.yaml")
            return None
        self._check_top(top)
        given = self._map(top, "sources", advice.NO_SOURCES, needed=not (top.get("checks") or top.get("heartbeats")))
        sources = self._sources(given)
        destinations = self._destinations(self._map(top, "destinations", advice.NO_DESTINATIONS))
        heartbeats = self._heartbeats(top, list(given))
        routes = self._routes(top)
        recovery = self._recovery(self._section(top, "recovery"))
        links = self._links(top)
        checks = self._checks(self._section(top, "checks"))
        general = self._general(top)
        scrub = self._model(self._kinds.scrub, self._section(top, "scrub"), ("scrub",))
        if general is None or scrub is None:
            return None
        fallbacks = {one.fallback for one in destinations.values()}
        advice.give(self._found, general, routes, sorted(destinations.keys() - fallbacks), list(recovery))
        return Settings(
            file=self._found.file,
            general=general,
            sources=sources,
            destinations=destinations,
            routes=routes or (Route(to=tuple(destinations)),),
            links=links,
            checks=checks,
            scrub=scrub,
            heartbeats=heartbeats,
            redis_url=general.redis.url or self._redis_url(),
            sentry_dsn=general.sentry_dsn or self._secret("SENTRY_DSN"),
            data=data_path(self._environ),
            recovery=recovery,
        )

    def _check_top(self, top: Data) -> None:
        known = [*SECTIONS, *keys(General)]
        for key in top:
            if key not in known and not key.startswith("x-"):
                hint = did_you_mean(key, known) or f" Remove it, or write one of: {listed(known)}"
                self._found.fail((key,), f'there is no section "{key}".{hint}', key=True)

    def _map(self, top: Data, section: str, empty: str, *, needed: bool = True) -> Data:
        """Return a section of named entries, of which there has to be at least one if it is needed."""
        entries = top.get(section)
        if isinstance(entries, dict) and entries:
            return {name: entry for name, entry in entries.items() if self._named(section, name)}
        if entries in (None, {}):
            if needed:
                self._found.fail((section,), empty)
        elif (section,) not in self._found.broken:
            self._found.fail((section,), f"has to be a map of names: {empty}")
        return {}

    def _named(self, section: str, name: str) -> bool:
        what = complaint(section, name)
        if what:
            self._found.fail((section, name), what, key=True)
        return not what

    def _section(self, top: Data, section: str) -> Data:
        """Return an optional section's entries; an empty one has none."""
        entries = top.get(section)
        if isinstance(entries, dict):
            return entries
        if entries is not None and (section,) not in self._found.broken:
            self._found.fail((section,), "has to be a map: write key: value")
        return {}

    def _list(self, top: Data, section: str) -> list[object]:
        entries = top.get(section)
        if isinstance(entries, list):
            return entries
        if entries is not None and (section,) not in self._found.broken:
            self._found.fail((section,), "has to be a list: write a - before each item")
        return []

    def _sources(self, entries: Data) -> dict[str, Configured]:
        found = {}
        for name, entry in entries.items():
            path = ("sources", name)
            if name in RESERVED:
                self._unless_broken(path, f'"{name}" is what speaks of {RESERVED[name]}: give it another name')
            kind, data = self._kind(entry, path, self._kinds.sources)
            own, rest = self._apart(LivenessOptions, data, path)
            also = ("kind", *keys(LivenessOptions))
            options = self._model(self._kinds.sources[kind], rest, path, also) if kind else None
            if options is not None:
                found[name] = Configured(kind, options, own)
        return found

    def _heartbeats(self, top: Data, sources: Sequence[str]) -> dict[str, HeartbeatOptions]:
        found = {}
        for name, entry in self._section(top, "heartbeats").items():
            path = ("heartbeats", name)
            if not isinstance(entry, dict):
                self._unless_broken(path, "has to be a map: write key, period and grace")
            elif self._named("heartbeats", name) and (options := self._model(HeartbeatOptions, entry, path)):
                found[name] = options
        check(self._found, found, sources)
        return found

    def _destinations(self, entries: Data) -> dict[str, Destination]:
        found = {}
        for name, entry in entries.items():
            path = ("destinations", name)
            kind, data = self._kind(entry, path, self._kinds.destinations)
            told, rest = self._apart(ThresholdOptions, data, path)
            also = ("kind", *keys(ThresholdOptions))
            options = self._model(self._kinds.destinations[kind], rest, path, also) if kind else None
            if options is not None:
                found[name] = Destination(kind, options, told.threshold(), told.fallback)
            self._check_fallback(name, told.fallback, list(entries))
        return found

    def _check_fallback(self, name: str, fallback: str, known: Sequence[str]) -> None:
        path = ("destinations", name, "fallback")
        if fallback == name:
            self._unless_broken(path, "is this destination itself: name another one, or leave it out")
        elif fallback and fallback not in known:
            hint = did_you_mean(fallback, known) or f" There are: {listed(known)}"
            self._unless_broken(path, f'there is no destination "{fallback}".{hint}')

    def _apart(self, model: type[Model], data: Data, path: Path) -> tuple[Model, Data]:
        """Return the options that every entry takes beside those of its kind, and the rest."""
        own = {key: data[key] for key in keys(model) if key in data}
        options = self._model(model, own, path)
        rest = {key: value for key, value in data.items() if key not in own}
        return options or model(), rest

    def _checks(self, entries: Data) -> dict[str, PlannedCheck]:
        found = {}
        for name, entry in entries.items():
            path = ("checks", name)
            if not self._named("checks", name):
                continue
            entry = {"kind": DEFAULT_KIND, **entry} if isinstance(entry, dict) else entry
            kind, data = self._kind(entry, path, self._kinds.checks)
            plan, rest = self._apart(PlanOptions, data, path)
            also = ("kind", *keys(PlanOptions))
            options = self._model(self._kinds.checks[kind], rest, path, also) if kind else None
            if options is not None:
                found[name] = PlannedCheck(kind, options, plan)
        return found

    def _recovery(self, entries: Data) -> dict[str, Recovery]:
        found = {}
        for name, entry in entries.items():
            path = ("recovery", name)
            if self._named("recovery", name):
                kind, data = self._kind(entry, path, self._kinds.recovery)
                guard, rest = self._apart(GuardOptions, data, path)
                also = ("kind", *keys(GuardOptions))
                options = self._model(self._kinds.recovery[kind], rest, path, also) if kind else None
                if options is not None:
                    found[name] = Recovery(kind, options, guard.guard())
        return found

    def _links(self, top: Data) -> tuple[Options, ...]:
        found = []
        for index, entry in enumerate(self._list(top, "links")):
            path = ("links", index)
            kind, data = self._kind(entry, path, self._kinds.links)
            options = self._model(self._kinds.links[kind], data, path, ("kind",)) if kind else None
            found += [options] if options is not None else []
        return tuple(found)

    def _kind(self, entry: object, path: Path, known: Mapping[str, type[Options]]) -> tuple[str, Data]:
        """Return an entry's kind (empty when it has none that is known) and its options.

        Models that have no field `kind` are not given it.
        """
        if not isinstance(entry, dict):
            self._unless_broken(path, f"has to be a map with a kind: write kind: and one of {listed(known)}")
            return "", {}
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in known:
            hint = did_you_mean(kind, known) if isinstance(kind, str) else ""
            said = f'there is no kind "{kind}" here' if isinstance(kind, str) else "kind is missing"
            self._unless_broken((*path, "kind"), f"{said}.{hint or f' Write one of: {listed(known)}'}")
            return "", dict(entry)
        keep = "kind" in known[kind].model_fields
        return kind, {key: value for key, value in entry.items() if keep or key != "kind"}

    def _routes(self, top: Data) -> tuple[Route, ...]:
        found = []
        destinations = top.get("destinations")
        known = list(destinations) if isinstance(destinations, dict) else None
        actions = list(self._section(top, "recovery"))
        for index, entry in enumerate(self._list(top, "routes")):
            path = ("routes", index)
            if not isinstance(entry, dict):
                self._unless_broken(path, "has to be a map: write match: [...] and to: [...]")
            elif options := self._model(RouteOptions, entry, path):
                found.append(options.route())
                self._check_names("destination", options.to, (*path, "to"), known)
                self._check_names("recovery action", options.recover, (*path, "recover"), actions)
        return tuple(found)

    def _check_names(self, what: str, names: Sequence[str], path: Path, known: Sequence[str] | None) -> None:
        for index, name in enumerate(names):
            if known is not None and name not in known:
                others = f"There are: {listed(known)}" if known else f"There is none: add one under {DEFINED[what]}"
                hint = did_you_mean(name, known) or f" {others}"
                self._unless_broken((*path, index), f'there is no {what} "{name}".{hint}')

    def _general(self, top: Data) -> General | None:
        own = {key: top[key] for key in keys(General) if top.get(key) is not None}
        return self._model(General, own, ())

    def _model(self, model: type[Model], data: Data, path: Path, also: Sequence[str] = ()) -> Model | None:
        """Return the options, or None with what is wrong with them in the document."""
        filled = self._files.filled(model, data, path)
        try:
            return model.model_validate(filled)
        except ValidationError as error:
            complain(error, self._found, path, model, also)
            return None

    def _unless_broken(self, path: Path, message: str) -> None:
        if path not in self._found.broken:
            self._found.fail(path, message)

    def _secret(self, name: str) -> Secret | None:
        value = self._environ.get(name)
        return Secret(value) if value else None

    def _redis_url(self) -> Secret | None:
        """Return what REDIS_URL says, held to the same rule as in the config."""
        url = self._secret("REDIS_URL")
        try:
            return Redis(url=url).url
        except ValidationError as error:
            why = str(error.errors()[0].get("ctx", {}).get("error", ""))
            self._found.problems.append(Problem(file="environment", path="REDIS_URL", message=why))
            return None
