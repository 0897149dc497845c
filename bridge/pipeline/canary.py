"""The canary: sent to the receiver as a real source would, watched until it is told everywhere, taken back."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec
import structlog

from bridge.domain.alert import Status
from bridge.domain.canary import Flight, fingerprint_of
from bridge.domain.words import duration
from bridge.pipeline.ingest import fold
from bridge.pipeline.parts import Aviary, Parts
from bridge.sources.canary import alert_of
from bridge.store.incidents import Record
from bridge.store.vitals import Vitals

TURN = timedelta(milliseconds=900)
"""One worker in all looks after it, about once a second."""
AGAIN = timedelta(seconds=2)
"""So long after it began it is sent again and again if no receiver accepted it: a duplicate, if one did after all."""
STAYS = "it arrived, but its message could not be taken back: may the app delete what it posted"

log = structlog.get_logger(__name__)


def fly(parts: Parts, aviary: Aviary, vitals: Vitals) -> Flight | None:
    """Look after the canary, if it is this worker's turn; returns it as it is then."""
    if not vitals.turn(TURN, "flying"):
        return None
    now, flight, stored = aviary.flights.read()
    if flight is None or flight.over:
        return _begin(aviary, flight, stored, now)
    record = parts.incidents.find(f"{fingerprint_of(flight.run)}-1")
    if flight.back:
        return _gone(aviary, flight, record, stored, now)
    missing = [name for name in aviary.to if record is None or name not in record.receipts]
    if not missing:
        return _end(parts, aviary, stored, _landed(flight, now), now)
    if now - flight.began >= aviary.within:
        return _end(parts, aviary, stored, _given_up(parts, aviary, flight, record, missing), now)
    if not flight.accepted and now - flight.began >= AGAIN:
        return _send(aviary, flight, stored)
    return flight


def _begin(aviary: Aviary, before: Flight | None, stored: bytes, now: datetime) -> Flight | None:
    """Send the next one if it is time; after one that was lost sooner, to see when they arrive again."""
    run = secrets.token_hex(8)
    if before is None:
        flight = Flight(run=run, began=now)
    elif now - before.began < (min(2 * aviary.within, aviary.every) if before.late else aviary.every):
        return before
    else:
        flight = Flight(run=run, began=now, late=before.late, arrived=before.arrived, took=before.took)
    return _send(aviary, flight, aviary.flights.read()[2]) if aviary.flights.swap(stored, flight) else None


def _gone(aviary: Aviary, flight: Flight, record: Record | None, stored: bytes, now: datetime) -> Flight:
    """Return the flight, over once no message of it stands any more, or once that took too long."""
    receipts = record.receipts if record else {}
    stays = [name for name in aviary.to if name in receipts and receipts[name].open]
    if stays and now - flight.began < aviary.every:
        return flight
    over = msgspec.structs.replace(flight, over=True, late=dict.fromkeys(stays, STAYS))
    aviary.flights.swap(stored, over)
    return over


def _send(aviary: Aviary, flight: Flight, stored: bytes) -> Flight:
    why = aviary.post(aviary.source.signed(flight.run, Status.FIRING, flight.began))
    after = msgspec.structs.replace(flight, why=why, accepted=not why)
    aviary.flights.swap(stored, after)
    return after


def _landed(flight: Flight, now: datetime) -> Flight:
    stays = {name: why for name, why in flight.late.items() if why == STAYS}  # that is seen later
    return msgspec.structs.replace(flight, back=True, late=stays, arrived=now, took=now - flight.began)


def _given_up(parts: Parts, aviary: Aviary, flight: Flight, record: Record | None, missing: list[str]) -> Flight:
    if record is None:
        unread = "a receiver accepted it, but no worker has read it"
        late = {"": f"the receiver: {flight.why}" if flight.why else unread}
    else:
        waits = parts.deliveries.waiting(record.incident.id, missing)
        late = {name: waits[name].blocked_by if name in waits else "" for name in missing}
    late = {name: why or f"not within {duration(aviary.within)}" for name, why in late.items()}
    return msgspec.structs.replace(flight, over=True, late=late)


def _end(parts: Parts, aviary: Aviary, stored: bytes, flight: Flight, now: datetime) -> Flight | None:
    """Take the canary back, wherever it is; a crash before the last step does the same again."""
    done = fold(parts, [alert_of(flight.run, Status.RESOLVED, now)], now)
    if not (done and aviary.flights.swap(stored, flight)):
        return None
    if flight.over:
        log.warning("canary_lost", canary=flight.run, late=flight.late)
    else:
        log.info("canary_arrived", canary=flight.run, took_s=flight.took.total_seconds())
    return flight
