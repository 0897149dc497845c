"""What can be done about an incident: one file per kind of action."""

from __future__ import annotations

from typing import Any, Protocol

from bridge.ports import Action
from bridge.recovery.autoscaling import Autoscaling
from bridge.recovery.ecs import Ecs
from bridge.recovery.kubernetes import Kubernetes
from bridge.recovery.webhook import Webhook
from bridge.settings import Options


class ActionKind(Protocol):
    """What an action's class is: `Kind(name, options)` with its `Options`."""

    Options: type[Options]

    def __call__(self, name: str, options: Any, /) -> Action: ...


ACTIONS: dict[str, ActionKind] = {
    "webhook": Webhook,
    "ecs": Ecs,
    "autoscaling": Autoscaling,
    "kubernetes": Kubernetes,
}
"""Kinds of recovery actions by their name in the config."""
