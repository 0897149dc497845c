"""Dead letters: what is kept of a request that can't be parsed, and how letters are tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from bridge.domain.alert import event_id
from bridge.enrich.scrub import Scrubber
from bridge.pipeline.parts import Parts, ring
from bridge.pipeline.plain import plain
from bridge.pipeline.receive import understand
from bridge.ports import Handshake, Ignored, Request, Source, Unparseable
from bridge.store.deadletters import DeadLetters, Replayed
from bridge.store.deliveries import Letter
from bridge.store.incidents import Record

BODY_KEPT = 1_000_000
"""Characters of a body that are kept; one that is longer can be read, but not replayed."""
HEADER_KEPT = 300
HEADERS_KEPT = 40
_PROOFS = ("authorization", "cookie", "signature", "token", "secret")


def letter_of(source: str, request: Request, reason: str, scrubber: Scrubber) -> Letter:
    """Return the dead letter of a proven request that can't be parsed: scrubbed, and without what proved it."""
    body, _ = scrubber.scrub_body(request.body)  # before it is cut: half a secret is not recognised
    return Letter(
        id=f"{source}@{event_id(request.body)}",
        source=source,
        reason=reason,
        at=request.received_at,
        last=request.received_at,
        attempts=1,
        body=body[:BODY_KEPT],
        cut=len(body) > BODY_KEPT,
        headers=_kept(request.headers, scrubber),
    )


def _kept(headers: Mapping[str, str], scrubber: Scrubber) -> dict[str, str]:
    rest = [(key, value) for key, value in headers.items() if not any(proof in key for proof in _PROOFS)]
    return {key: scrubber.scrub_value(key, value)[0][:HEADER_KEPT] for key, value in rest[:HEADERS_KEPT]}


def facts_of(letter: Letter) -> dict[str, object]:
    """Return what a list of letters says of each; times are aware."""
    return {
        "name": letter.name,
        "for": letter.destination or f"from {letter.source}",
        "since": letter.at,
        "last": letter.last or letter.at,
        "attempts": letter.attempts,
        "replayed": letter.replayed,
        "reason": letter.reason,
    }


def content_of(letter: Letter, record: Record | None) -> dict[str, object]:
    """Return what the letter is about, scrubbed: the request, or the incident with what is known to stand outside."""
    if not letter.destination:
        return {"headers": letter.headers, "body": letter.body, "cut": letter.cut}
    if record is None:
        return {"incident": None, "receipt": None}
    receipt = record.receipts.get(letter.destination)
    return {"incident": plain(record.incident), "receipt": plain(receipt)}


@dataclass(frozen=True, kw_only=True)
class Replayer:
    """What is needed to try letters again."""

    letters: DeadLetters
    parts: Parts
    sources: Mapping[str, Source]
    scrubber: Scrubber

    def replay(self, letter: Letter, now: datetime) -> tuple[bool, str]:
        """Try a letter again; returns whether that could be begun, and what was done or is to be done instead."""
        return self._delivery(letter, now) if letter.destination else self._request(letter, now)

    def drop(self, letter: Letter, now: datetime) -> tuple[bool, str]:
        """Forget a letter; returns whether it was still there, and what was done."""
        dropped = self.letters.drop(letter, now)
        return dropped, "dropped" if dropped else "it is gone already"

    def _delivery(self, letter: Letter, now: datetime) -> tuple[bool, str]:
        if letter.destination not in self.parts.sinks:
            return False, f"there is no destination {letter.destination} any more: configure it, or drop the letter"
        done, rings = self.letters.replay(letter, now)
        ring(self.parts, rings)
        said = {
            Replayed.DUE: f"due now at {letter.destination}; the letter goes when it is delivered",
            Replayed.UNKNOWN: "it is gone already: delivered, or dropped by somebody else",
            Replayed.FORGOTTEN: "its incident was resolved too long ago and is kept no more: drop the letter",
        }
        return done is Replayed.DUE, said[done]

    def _request(self, letter: Letter, now: datetime) -> tuple[bool, str]:
        source = self.sources.get(letter.source)
        if source is None:
            return False, f"there is no source {letter.source} any more: configure it, or drop the letter"
        if letter.cut:
            return False, "its body was too long to be kept whole: have the sender send it again, then drop the letter"
        # It was proven when it came; what proves it is neither kept nor valid any more.
        request = Request(headers=letter.headers, body=letter.body.encode(), received_at=letter.at)
        try:
            parsed = understand(source, self.scrubber, request)
        except Unparseable as problem:
            again = msgspec.structs.replace(letter, reason=str(problem), last=now, replayed=now, attempts=1)
            self.letters.put(again)
            return False, f"it still can't be parsed: {problem}"
        if isinstance(parsed, Handshake):
            return False, f"it asks for a confirmation ({parsed.note}): have the sender ask again, then drop the letter"
        if isinstance(parsed, Ignored):
            self.letters.drop(letter, now)
            return True, f"no alert, so it is dropped: {parsed.reason}"
        # A crash between the two leaves a letter whose alerts are duplicates when it is replayed once more.
        self.parts.inbox.put(parsed)
        self.parts.bell.ingest()
        self.letters.drop(letter, now)
        return True, f"accepted: {len(parsed)} alert{'s' if len(parsed) != 1 else ''}"
