"""Names of targets, of which an incident may choose a part: each held to a strict pattern before it is used.

Senders influence labels, and labels fill templates. What comes out must be such a name and nothing else, or nothing is
done: no path, no other API call, no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from bridge.domain.incident import Incident
from bridge.domain.words import clip
from bridge.enrich.links.problem import Problem
from bridge.enrich.links.template import Template
from bridge.ports import Refused

INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", re.ASCII)
"""An EC2 instance: 8 or 17 hex digits. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html"""
ECS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", re.ASCII)
"""An ECS cluster or service. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html"""
DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
"""A Kubernetes namespace: RFC 1123. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z){DNS_LABEL.pattern}(?:\.{DNS_LABEL.pattern})*", re.ASCII)
"""A Kubernetes workload: a DNS subdomain."""
_NOTHING = timedelta()


def chosen(template: Template) -> bool:
    """Return whether an incident has a say in it."""
    return "{{" in template.source or "{%" in template.source


def held(pattern: re.Pattern[str], what: str) -> Callable[[Template], Template]:
    """Return what refuses, when the config is read, a name that is written out and is none."""

    def check(template: Template) -> Template:
        if not chosen(template) and not pattern.fullmatch(template.source):
            raise ValueError(f"is not {what}: write its name, or a template such as {{{{ labels.name }}}}")
        return template

    return check


def named(template: Template, incident: Incident, pattern: re.Pattern[str], what: str) -> str:
    """Return the name for an incident; raises Refused if it can't be told, or is none."""
    problem = Problem.of(incident, _NOTHING, _NOTHING, incident.last_seen)
    name = template.render(problem)
    if name is None:
        raise Refused(f"the incident does not say which {what.removeprefix('a ').removeprefix('an ')}: {template}")
    if not pattern.fullmatch(name):
        raise Refused(f"{clip(name, 60)!a} is not {what}")
    return name
