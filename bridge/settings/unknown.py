"""What is said of a key that is not known where it stands: what was hardly meant otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.settings.fields import Model, fields, keys, nested
from bridge.settings.problems import did_you_mean, listed

OPTIONS = {
    "every": ("period",),
    "interval": ("every", "period"),
    "schedule": ("cron", "every"),
    "tz": ("timezone",),
    "tolerance": ("grace",),
    "expect": ("status", "contains"),
    "retries": ("fail_after",),
    "threshold": ("fail_after", "min_count"),
    "destinations": ("to",),
    "destination": ("to",),
    "receivers": ("to",),
    "receiver": ("to",),
    "matchers": ("match",),
    "when": ("match",),
    "actions": ("recover",),
    "recovery": ("recover",),
    "type": ("kind",),
    "wait": ("after", "for"),
    "url": ("webhook_url",),
    "webhook": ("webhook_url", "url"),
    "endpoint": ("url", "endpoint_url"),
    "team": ("labels",),
    "name": ("label",),
}
"""What other tools call what is called otherwise here, the likeliest first."""
SECTIONS = {
    **dict.fromkeys(("monitors", "probes", "healthchecks"), "checks"),
    **dict.fromkeys(("pings", "crons", "jobs"), "heartbeats"),
    **dict.fromkeys(("receivers", "sinks", "notifiers", "channels"), "destinations"),
    **dict.fromkeys(("inputs", "webhooks", "senders"), "sources"),
    **dict.fromkeys(("actions", "remediation", "recover"), "recovery"),
    "rules": "routes",
    "redis_url": "redis: {url: …}",
}
KINDS = {
    "prometheus": "alertmanager",
    "sns": "cloudwatch",
    "aws": "cloudwatch",
    "k8s": "kubernetes",
    "asg": "autoscaling",
    "https": "http",
    "ssl": "tls",
}
ROUTED = {
    "to": "Who hears of it is decided in routes: match its service or labels there",
    "match": "What it is for is decided in routes, which have a match",
}
ENVIRONMENT = {
    **dict.fromkeys(("host", "port", "listen"), "Where the receiver listens is in the environment: HOST and PORT"),
    "data": "Where files lie is in the environment: ALERT_BRIDGE_DATA",
}
"""Where it is said instead; the latter of sections, and of the receiver's options."""


@dataclass(frozen=True)
class Around:
    """What is known around a model of options."""

    keys: Sequence[str] = ()
    """What may stand beside the model's own keys."""
    kinds: Mapping[str, Model] = field(default_factory=dict)
    """What else an entry here could be: another kind may have the key."""


def option(key: str, known: Sequence[str], kinds: Mapping[str, Model]) -> str:
    """Return what is said of an option that is not known."""
    alike = next((word for word in OPTIONS.get(key.lower(), ()) if word in known), "")
    hint = f' Did you mean "{alike}"?' if alike else did_you_mean(key, known)
    others = [kind for kind, model in kinds.items() if key in keys(model)]
    if others and not hint:
        return f'"{key}" is no option of this kind, but of {listed(others)}: change the kind, or remove it'
    elsewhere = ENVIRONMENT if "max_body" in known else ROUTED
    return f'there is no option "{key}" here.{hint or _otherwise(key, known, elsewhere)}'


def section(key: str, known: Sequence[str], general: Model) -> str:
    """Return what is said of a section that is not known: an option may stand one level too high."""
    inside = {name: model for name, info in fields(general) if (model := nested(info.annotation))}
    within = [name for name, model in inside.items() if key in keys(model)]
    if len(within) == 1:
        return f'"{key}" is an option of {within[0]}: write {within[0]}: {{{key}: …}}'
    alike = SECTIONS.get(key.lower(), "")
    hint = f' Did you mean "{alike}"?' if alike else did_you_mean(key, known)
    return f'there is no section "{key}".{hint or _otherwise(key, known, ENVIRONMENT)}'


def kind(given: object, name: str, entry: Mapping[str, object], known: Mapping[str, Model]) -> str:
    """Return what is said of a kind that is not known, or not there; the entry's name or its keys may tell it."""
    if isinstance(given, str):
        alike = KINDS.get(given.lower(), "")
        hint = f' Did you mean "{alike}"?' if alike in known else did_you_mean(given, known)
        return f'there is no kind "{given}" here.{hint or f" Write one of: {listed(known)}"}'
    fit = {one: sum(key in keys(model) for key in entry) for one, model in known.items()}
    best = [one for one in known if fit[one] == max(fit.values()) > 0]
    meant = name if name in known else best[0] if len(best) == 1 else ""
    return f"kind is missing.{f' Did you mean kind: {meant}?' if meant else f' Write one of: {listed(known)}'}"


def _otherwise(key: str, known: Sequence[str], elsewhere: Mapping[str, str]) -> str:
    return f" {elsewhere[key]}" if key in elsewhere else f" Remove it, or write one of: {listed(known)}"
