"""What keeps the bridge from its work: pure, from how it is at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec

from bridge.domain.alert import Severity
from bridge.domain.words import duration, first_few
from bridge.settings.sections import InboxLimit
from bridge.settings.self_watch import SelfWatch
from bridge.store.checks import OVERDUE
from bridge.store.notes import current
from bridge.store.presence import Worker
from bridge.store.vitals import Vital

REFUSED_WITHIN = timedelta(minutes=1)
"""For so long after the last sender was sent away this is still a concern."""
VANISHED = 3
"""Workers that vanished within an hour are a concern even if others took their places."""
LISTED = 3
"""Names that are written out."""


class Limits(msgspec.Struct, frozen=True):
    """From where on something is a concern, as configured."""

    watch: SelfWatch = SelfWatch()
    inbox: InboxLimit = InboxLimit()
    canary: tuple[str, ...] = ()
    """Where canaries are to arrive."""


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """Something that keeps the bridge from its work."""

    kind: str
    destination: str = ""
    """Which can't be told of it; empty if it is not about one."""
    severity: Severity
    title: str
    summary: str

    @property
    def name(self) -> str:
        """What tells it from others."""
        return f"{self.kind}:{self.destination}"


def concerns(vital: Vital, limits: Limits) -> Iterator[Concern]:
    """Yield what is wrong with the bridge at a moment."""
    for look in _LOOKS:
        yield from look(vital, limits)


def _blocked(vital: Vital, limits: Limits) -> Iterator[Concern]:
    for name, block in vital.blocked.items():
        if max(block.until, vital.now) - block.since >= limits.watch.blocked_for:
            yield Concern(
                kind="blocked",
                destination=name,
                severity=Severity.CRITICAL,
                title=f"alert-bridge can't deliver to {name}",
                summary=f"{block.reason.rstrip('.')}. What is due there waits, and is told as soon as it works again.",
            )


def _overdue(vital: Vital, limits: Limits) -> Iterator[Concern]:
    blocked = {concern.destination for concern in _blocked(vital, limits)}
    for name, since in vital.owed.items():
        if name not in blocked and vital.now - since >= limits.watch.overdue_by:
            yield Concern(
                kind="overdue",
                destination=name,
                severity=Severity.ERROR,
                title=f"alert-bridge is late at {name}",
                summary=f"Something has been due there for more than {duration(limits.watch.overdue_by)}. "
                "`alert-bridge incidents ID --why` says what it waits for; a storm is told at the destination's pace.",
            )


def _letters(vital: Vital, limits: Limits) -> Iterator[Concern]:
    if vital.letters >= limits.watch.dead_letters:
        more = f", and {vital.shed} more that there was no room for" if vital.shed else ""
        yield Concern(
            kind="dead-letters",
            severity=Severity.WARNING,
            title="alert-bridge has dead letters, which need a person",
            summary=f"{vital.letters} of them{more}. Run `alert-bridge dead-letters list`, then replay or drop them.",
        )


def _behind(vital: Vital, limits: Limits) -> Iterator[Concern]:
    if vital.oldest is not None and vital.now - vital.oldest >= limits.watch.behind_by:
        yield Concern(
            kind="behind",
            severity=Severity.CRITICAL,
            title="alert-bridge is behind",
            summary=f"Accepted alerts wait for more than {duration(limits.watch.behind_by)}. Start more workers, or "
            "see their log: a broker that they can't reach stands there.",
        )


def _inbox(vital: Vital, limits: Limits) -> Iterator[Concern]:
    told_full = any(note.full for note in current(vital.receivers, vital.now))
    if told_full or vital.entries >= limits.inbox.entries or vital.bytes >= limits.inbox.bytes:
        yield Concern(
            kind="inbox-full",
            severity=Severity.CRITICAL,
            title="alert-bridge sends senders away: its inbox is full",
            summary="More waits for the workers than receiver.inbox_limit allows, so senders are answered 503 and "
            "asked to come again; not all of them do. Start more workers, or see their log.",
        )


def _refusing(vital: Vital, _: Limits) -> Iterator[Concern]:
    notes = current(vital.receivers, vital.now)
    refused = [n for n in notes if n.refused_at and vital.now - n.refused_at < REFUSED_WITHIN]
    by = sorted({what for note in refused for what in note.refused_by.split(",")} - {"inbox"})
    if by:
        yield Concern(
            kind="refusing",
            severity=Severity.CRITICAL,
            title="alert-bridge sends senders away",
            summary=f"Receivers answered 503 because there was no room ({', '.join(by)}): "
            "docs/operations.md, alert_bridge_shed_total. Their log has not_stored with the reason.",
        )


def _journal(vital: Vital, limits: Limits) -> Iterator[Concern]:
    notes = current(vital.receivers, vital.now)
    held = [n for n in notes if n.held_since and vital.now - n.held_since >= limits.watch.journal_for]
    if held:
        yield Concern(
            kind="journal",
            severity=Severity.CRITICAL,
            title="alert-bridge holds alerts in a journal",
            summary=f"Accepted alerts lie in the journal of {first_few([n.name for n in held], LISTED)} for more than "
            f"{duration(limits.watch.journal_for)}, and nobody is told of them. Its log says why the store does not "
            "take them; if that receiver is gone, start one on its data directory.",
        )
    useless = [n.name for n in notes if not n.usable]
    if useless:
        yield Concern(
            kind="journal-unusable",
            severity=Severity.ERROR,
            title="alert-bridge has a journal that can't be written",
            summary=f"At {first_few(useless, LISTED)}: while the store is down, its senders are sent away. "
            "Make room there and let the receiver write it (its log: journal_unusable).",
        )


def _workers(vital: Vital, limits: Limits) -> Iterator[Concern]:
    gone = [worker for worker in vital.workers if vital.now - worker.beat >= limits.watch.worker_silent_for]
    alive = [worker for worker in vital.workers if worker not in gone]
    missing = _not_replaced(gone, alive)
    if alive and (missing or len(gone) >= VANISHED):
        again = f" {len(gone)} have vanished within the hour." if len(gone) >= VANISHED else ""
        names = first_few([worker.place for worker in missing or gone], LISTED)
        yield Concern(
            kind="worker-gone",
            severity=Severity.WARNING,
            title="alert-bridge lost a worker",
            summary=f"{names} stopped without saying so (killed, out of memory, cut off); its work was taken over."
            f"{again} Start it again, or see its log.",
        )


def _not_replaced(gone: list[Worker], alive: list[Worker]) -> list[Worker]:
    """Return the vanished workers but for those in whose place another one was started since."""
    newcomers = sorted((worker.started for worker in alive), reverse=True)
    missing = []
    for worker in sorted(gone, key=lambda worker: worker.beat, reverse=True):
        if newcomers and newcomers[0] > worker.beat:
            newcomers.pop(0)
        else:
            missing.append(worker)
    return missing


def _sweep(vital: Vital, limits: Limits) -> Iterator[Concern]:
    if vital.swept is not None and vital.now - vital.swept >= limits.watch.sweep_silent_for:
        yield Concern(
            kind="sweep",
            severity=Severity.CRITICAL,
            title="alert-bridge looks for no work",
            summary=f"No worker has swept for more than {duration(limits.watch.sweep_silent_for)}: what waits for a "
            "time (retries, checks, heartbeats) stands still. Restart the workers; their log says more.",
        )


def _checks(vital: Vital, _: Limits) -> Iterator[Concern]:
    if vital.check_due is not None and vital.now - vital.check_due >= OVERDUE:
        yield Concern(
            kind="checks",
            severity=Severity.CRITICAL,
            title="alert-bridge does not run its checks",
            summary=f"A run has been due for more than {duration(OVERDUE)}, and no worker takes it: what goes down "
            "is not noticed. Restart the workers; their log says more (checks_broken).",
        )


def _canary(vital: Vital, limits: Limits) -> Iterator[Concern]:
    late = vital.flight.late if vital.flight and limits.canary else {}
    for name, why in late.items():
        if name == "" or name in limits.canary:
            lost = f"did not arrive at {name}" if name else "did not get in"
            yield Concern(
                kind="canary",
                destination=name,
                severity=Severity.CRITICAL,
                title=f"alert-bridge's canary {lost}",
                summary=f"A test alert that was sent like a real one did not make its way: {why.rstrip('.')}. "
                "docs/canary.md says where to look.",
            )


_LOOKS: tuple[Callable[[Vital, Limits], Iterator[Concern]], ...] = (
    _blocked, _overdue, _letters, _behind, _inbox, _refusing, _journal, _workers, _sweep, _canary, _checks,
)  # fmt: skip
