"""The sections of a config, one after the other, each held to the types of its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from bridge.domain.routing import Route
from bridge.settings import advice, heartbeats, shapes, unknown
from bridge.settings.checks import DEFAULT_KIND, PlannedCheck, PlanOptions
from bridge.settings.complaints import ALONE, complain
from bridge.settings.document import Document, Path
from bridge.settings.fields import keys
from bridge.settings.heartbeats import HeartbeatOptions, LivenessOptions
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
from bridge.settings.unknown import Around

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
        given = self._map(top, "sources", needed=not (top.get("checks") or top.get("heartbeats")))
        sources = self._sources(given)
        destinations = self._destinations(self._map(top, "destinations", needed=True))
        beats = self._heartbeats(top, list(given))
        routes = self._routes(top)
        recovery = self._recovery(self._map(top, "recovery"))
        links = self._links(top)
        checks = self._checks(self._map(top, "checks"))
        general = self._general(top)
        scrub = self._scrub(top)
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
            heartbeats=beats,
            redis_url=general.redis.url or self._redis_url(),
            sentry_dsn=general.sentry_dsn or self._secret("SENTRY_DSN"),
            data=data_path(self._environ),
            recovery=recovery,
        )

    def _check_top(self, top: Data) -> None:
        known = [*SECTIONS, *keys(General)]
        for key in top:
            if key not in known and not key.startswith("x-"):
                self._found.fail((key,), unknown.section(key, known, General), key=True)

    def _map(self, top: Data, section: str, *, needed: bool = False) -> Data:
        """Return a section of named entries; there has to be at least one if it is needed."""
        entries = top.get(section)
        if isinstance(entries, dict) and entries:
            return {name: entry for name, entry in entries.items() if self._named(section, name)}
        if entries not in (None, {}):
            self._unless_broken((section,), advice.misshapen(section))
        elif needed:
            self._found.fail((section,), advice.empty(section))
        return {}

    def _named(self, section: str, name: str) -> bool:
        what = complaint(section, name)
        if what:
            self._found.fail((section, name), what, key=True)
        return not what

    def _list(self, top: Data, section: str) -> list[object]:
        entries = top.get(section)
        if isinstance(entries, list):
            return entries
        if entries is not None:
            self._unless_broken((section,), advice.misshapen(section))
        return []

    def _scrub(self, top: Data) -> Options | None:
        given = top.get("scrub")
        if given is not None and not isinstance(given, dict):
            self._unless_broken(("scrub",), shapes.options(given, self._kinds.scrub))
        return self._model(self._kinds.scrub, given if isinstance(given, dict) else {}, ("scrub",))

    def _sources(self, entries: Data) -> dict[str, Configured]:
        found = {}
        for name, entry in entries.items():
            path = ("sources", name)
            if name in RESERVED:
                self._unless_broken(path, f'"{name}" is what speaks of {RESERVED[name]}: give it another name')
            kind, options, own = self._entry(entry, path, self._kinds.sources, LivenessOptions)
            if options is not None:
                found[name] = Configured(kind, options, own)
        return found

    def _heartbeats(self, top: Data, sources: Sequence[str]) -> dict[str, HeartbeatOptions]:
        found = {}
        for name, entry in self._map(top, "heartbeats").items():
            path = ("heartbeats", name)
            if not isinstance(entry, dict):
                self._unless_broken(path, heartbeats.misshapen(name, entry))
            elif options := self._model(HeartbeatOptions, entry, path):
                found[name] = options
        heartbeats.check(self._found, found, sources)
        return found

    def _destinations(self, entries: Data) -> dict[str, Destination]:
        found = {}
        for name, entry in entries.items():
            path = ("destinations", name)
            kind, options, told = self._entry(entry, path, self._kinds.destinations, ThresholdOptions)
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

    def _checks(self, entries: Data) -> dict[str, PlannedCheck]:
        found = {}
        for name, entry in entries.items():
            kind, options, plan = self._entry(entry, ("checks", name), self._kinds.checks, PlanOptions, DEFAULT_KIND)
            if options is not None:
                found[name] = PlannedCheck(kind, options, plan)
        return found

    def _recovery(self, entries: Data) -> dict[str, Recovery]:
        found = {}
        for name, entry in entries.items():
            kind, options, guard = self._entry(entry, ("recovery", name), self._kinds.recovery, GuardOptions)
            if options is not None:
                found[name] = Recovery(kind, options, guard.guard())
        return found

    def _links(self, top: Data) -> tuple[Options, ...]:
        entries = enumerate(self._list(top, "links"))
        found = [self._entry(entry, ("links", index), self._kinds.links, Options)[1] for index, entry in entries]
        return tuple(options for options in found if options is not None)

    def _entry(
        self, entry: object, path: Path, known: Mapping[str, type[Options]], beside: type[Model], default: str = ""
    ) -> tuple[str, Options | None, Model]:
        """Return an entry's kind, that kind's options, and the ones that every entry takes beside them.

        The kind is "" when none is known, and `default` when it is left out; models that have no field `kind` are not
        given it.
        """
        if not isinstance(entry, dict):
            name = path[-1] if isinstance(path[-1], str) else ""
            self._unless_broken(path, shapes.entry(name, entry, known, default))
            return "", None, beside()
        kind = self._kind(entry, path, known, default)
        own = {key: entry[key] for key in keys(beside) if key in entry}
        drop = {*own, "kind"} if not kind or "kind" not in known[kind].model_fields else own.keys()
        rest = {key: value for key, value in entry.items() if key not in drop}
        around = Around(("kind", *keys(beside)), {other: model for other, model in known.items() if other != kind})
        options = self._model(known[kind], rest, path, around) if kind else None
        return kind, options, self._model(beside, own, path) or beside()

    def _kind(self, entry: Data, path: Path, known: Mapping[str, type[Options]], default: str) -> str:
        kind = entry.get("kind", default or None)
        if isinstance(kind, str) and kind in known:
            return kind
        self._unless_broken((*path, "kind"), unknown.kind(kind, str(path[-1]), entry, known))
        return ""

    def _routes(self, top: Data) -> tuple[Route, ...]:
        found = []
        destinations = top.get("destinations")
        known = list(destinations) if isinstance(destinations, dict) else None
        actions = top.get("recovery")
        actions = list(actions) if isinstance(actions, dict) else []
        for index, entry in enumerate(self._list(top, "routes")):
            path = ("routes", index)
            if not isinstance(entry, dict):
                self._unless_broken(path, shapes.route(entry))
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

    def _model(self, model: type[Model], data: Data, path: Path, around: Around = ALONE) -> Model | None:
        """Return the options, or None with what is wrong with them in the document."""
        filled = self._files.filled(model, data, path)
        try:
            return model.model_validate(filled)
        except ValidationError as error:
            complain(error, self._found, path, model, around)
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
