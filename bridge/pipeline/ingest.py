"""ingest: inbox → incidents and what is due, in batches, one commit each; pings go to who listens for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from bridge import logs
from bridge.domain.alert import Alert
from bridge.domain.canary import is_canary
from bridge.pipeline.folding import Fold, fold_in, item_of
from bridge.pipeline.hear import hear, told_apart
from bridge.pipeline.parts import Parts, ring
from bridge.selfreport import working_on
from bridge.store.inbox import Taken

BATCH = 100
"""Requests taken from the inbox at once, at the most."""
ROUNDS = 20
"""How often a batch is tried again after conflicts before it is left to be taken anew."""
log = structlog.get_logger(__name__)


def ingest(parts: Parts, batch: int = BATCH) -> bool:
    """Fold a batch of the inbox into incidents; returns whether there may be more."""
    now, left, more = parts.inbox.take(batch, parts.abandoned)
    left = told_apart(parts, left)
    hear(parts, [ping for one in left for ping in one.pings], now)
    with working_on(*(alert.labels for one in left for alert in one.alerts)):
        for _ in range(ROUNDS):
            if not left:
                break
            left = _round(parts, left, now)
    return more


def fold(parts: Parts, alerts: Sequence[Alert], now: datetime) -> bool:
    """Fold alerts of the bridge's own into their incidents, past the inbox; False: not now, it is to be tried again."""
    left = [Taken(b"", list(alerts), "", said_at=now)]
    with working_on(*(alert.labels for alert in alerts)):
        for _ in range(ROUNDS):
            if left:
                left = _round(parts, left, now)
    return not left


def _round(parts: Parts, taken: Sequence[Taken], now: datetime) -> list[Taken]:
    """Commit what can be committed and return what is left to do."""
    by_problem: dict[str, list[tuple[Alert, Taken]]] = {}
    for one in taken:
        for alert in one.alerts:
            by_problem.setdefault(alert.fingerprint, []).append((alert, one))
    event_ids = list({alert.event_id for one in taken for alert in one.alerts})
    known, seen = parts.incidents.load(list(by_problem), event_ids, now) if event_ids else ({}, set())
    folds = [fold_in(f, known.get(f), alerts, seen, parts.reopen_within) for f, alerts in by_problem.items()]
    left = {fold.fingerprint for fold in folds if fold.left}
    index = {fold.fingerprint: i for i, fold in enumerate(folds)}
    entries = [
        (one.entry, [index[alert.fingerprint] for alert in one.alerts])
        for one in taken
        if one.entry and not _tells_of(left, one)
    ]
    items = [item_of(parts, fold, now) for fold in folds]
    conflicts, rings = parts.incidents.commit(items, entries, _counts(folds, len(taken)), now)
    ring(parts, rings)
    again = left | {folds[i].fingerprint for i in conflicts}
    _tell(fold for fold in folds if fold.fingerprint not in again)
    return [one for one in taken if _tells_of(again, one)]


def _tells_of(problems: set[str], one: Taken) -> bool:
    return bool(problems) and any(alert.fingerprint in problems for alert in one.alerts)


def _counts(folds: Sequence[Fold], taken: int) -> dict[str, int]:
    changes = Counter(change for fold in folds if not is_canary(fold.fingerprint) for change in fold.changes)
    return {f"change:{change}": n for change, n in changes.items()} | {"ingested": taken}


def _tell(folds: Iterable[Fold]) -> None:
    rows = [
        {"incident": fold.incident.id if fold.incident else fold.fingerprint, "change": change, "trace_id": trace}
        for fold in folds
        for change, trace in zip(fold.changes, fold.traces, strict=True)
    ]
    logs.several(log, "ingested", rows)
