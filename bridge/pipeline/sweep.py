"""sweep: ring again for whatever lies in the inbox, is due, or whose lease lapsed."""

from __future__ import annotations

from datetime import timedelta

from bridge.pipeline import beats
from bridge.pipeline.parts import RECOVER, Parts, ring
from bridge.store import proof


def sweep(parts: Parts) -> list[str]:
    """Ring for what waits, unless another worker looked within the last second; returns the names rung for.

    This is the only clock of the bridge: backoff, Retry-After, `for`, repeats and lost bells all end here.
    Now and then it puts an entry of its own into the inbox, to see whether what lies there is worked on.
    """
    actions = parts.recovery.actions if parts.recovery else ()
    every = proof.EVERY if parts.proofs else timedelta()
    swept = parts.deliveries.sweep([*parts.sinks, *(RECOVER + name for name in actions)], every)
    ring(parts, swept.rings)
    beats.look(parts)
    if swept.prove and parts.proofs is not None:
        parts.proofs.ask(parts.inbox)
    return swept.rings
