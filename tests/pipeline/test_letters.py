"""Dead letters: kept with their reason, replayed exactly once, dropped only by a person."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import redis
import structlog

from bridge.domain.alert import Alert, Status
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline.concerns import Limits, concerns
from bridge.pipeline.letters import Replayer, content_of, letter_of
from bridge.pipeline.story import story
from bridge.ports import Ignored, Parsed, Receipt, Rejected, Request, RetryAt, Sample, Unparseable, Unverified
from bridge.settings import Options
from bridge.store.chain import Mark
from bridge.store.deadletters import DeadLetters, LetterLimit
from bridge.store.deliveries import Deliveries
from bridge.store.vitals import Vitals
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

NOW = datetime.now(UTC)
NAME = f"{'f' * 24}-1@oncall"
SCRUBBER = Scrubber(ScrubOptions())


class Reader:
    """A source whose parser knows some kinds of body, and verifies nothing twice."""

    Options = Options

    def __init__(self, *known: str) -> None:
        self.known = known

    def needs_io(self, request: Request) -> bool:
        return False

    def verify(self, request: Request) -> None:
        raise Unverified("its proof was only good when it came")

    def parse(self, request: Request) -> Parsed:
        body = request.body.decode()
        if "kind" not in request.headers or body.split()[0] not in self.known:
            raise Unparseable(f"version {len(self.known)} knows no {body.split()[0]}")
        return Ignored("a comment") if body == "comment" else [alert(event=body, at=request.received_at)]

    def sample(self, status: Status, now: datetime) -> Sample:
        raise NotImplementedError


@pytest.fixture
def desk(redis_client: redis.Redis) -> Desk:
    return Desk(redis_client, [Board("oncall")])


def replayer(desk: Desk, source: Reader | None = None) -> Replayer:
    sources = {"reader": source} if source else {}
    return Replayer(letters=DeadLetters(desk.keys), parts=desk.parts, sources=sources, scrubber=SCRUBBER)


def rejected(desk: Desk, reason: str = "invalid_blocks", **more: object) -> None:
    desk.boards["oncall"].answers.append(Rejected(reason))
    desk.hear(firing(**more))


def firing(**more: object) -> Alert:
    at = datetime.now(UTC)
    return alert(0, event=str(at), **{"at": at, **more})  # type: ignore[arg-type]  # fields by name


def request(body: str = "strange", **headers: str) -> Request:
    return Request(headers={"kind": "x", **headers}, body=body.encode(), received_at=NOW)


def keep(desk: Desk, body: str = "strange", **headers: str) -> str:
    letter = letter_of("reader", request(body, **headers), "version 0 knows no strange", SCRUBBER)
    assert DeadLetters(desk.keys).put(letter)
    return letter.name


def replay(desk: Desk, name: str, source: Reader | None = None) -> tuple[bool, str]:
    letter = DeadLetters(desk.keys).find(name)
    assert letter is not None
    return replayer(desk, source).replay(letter, NOW)


# --- deliveries ------------------------------------------------------------------------------------------


def test_a_rejected_delivery_is_replayed_after_the_fix_and_its_letter_goes(desk: Desk) -> None:
    rejected(desk)
    letter = DeadLetters(desk.keys).find(NAME)
    assert letter is not None
    assert (letter.reason, letter.attempts) == ("invalid_blocks", 1)

    assert replay(desk, NAME) == (True, "due now at oncall; the letter goes when it is delivered")
    desk.hear()
    desk.hear()

    assert desk.boards["oncall"].created == [f"{'f' * 24}-1"]
    assert len(DeadLetters(desk.keys)) == 0
    assert desk.record().rejected == frozenset()
    assert "".join(step.mark for step in desk.record().chain) == "orDYC"


def test_replayed_many_times_at_once_it_is_still_created_once(desk: Desk) -> None:
    rejected(desk)
    assert [replay(desk, NAME)[0] for _ in range(3)] == [True] * 3
    for _ in range(3):
        desk.wake("oncall")

    assert len(desk.boards["oncall"].created) == 1


def test_a_letter_stays_while_its_replay_waits_for_the_vendor(desk: Desk) -> None:
    rejected(desk)
    desk.boards["oncall"].answers.append(RetryAt("503", after=timedelta(minutes=1)))
    replay(desk, NAME)
    desk.hear()

    letter = DeadLetters(desk.keys).find(NAME)
    assert letter is not None
    assert letter.replayed is not None


def test_rejected_again_it_keeps_its_first_time_and_counts_the_attempts(desk: Desk) -> None:
    rejected(desk)
    first = DeadLetters(desk.keys).find(NAME)
    desk.boards["oncall"].answers.append(Rejected("channel_not_found"))
    replay(desk, NAME)
    desk.hear()

    again = DeadLetters(desk.keys).find(NAME)
    assert first is not None
    assert again is not None
    assert (again.at, again.attempts, again.reason) == (first.at, 2, "channel_not_found")
    assert again.replayed is None


def test_a_mere_repeat_does_not_try_again_what_was_rejected_but_a_change_does(desk: Desk) -> None:
    rejected(desk)
    for _ in range(3):
        desk.hear(firing())
    assert desk.boards["oncall"].created == []

    desk.hear(firing(severity="critical"))
    assert len(desk.boards["oncall"].created) == 1
    assert len(DeadLetters(desk.keys)) == 0


def test_what_was_resolved_meanwhile_is_not_told_by_a_replay(desk: Desk) -> None:
    rejected(desk)
    desk.hear(firing(status=Status.RESOLVED))
    replay(desk, NAME)
    desk.hear()

    assert desk.boards["oncall"].created == []
    assert len(DeadLetters(desk.keys)) == 0


def test_a_dropped_delivery_is_told_nowhere_and_the_chain_says_so(desk: Desk) -> None:
    rejected(desk)
    letters = DeadLetters(desk.keys)
    letter = letters.find(NAME)
    assert letter is not None
    assert replayer(desk).drop(letter, NOW) == (True, "dropped")
    assert replayer(desk).drop(letter, NOW) == (False, "it is gone already")
    desk.hear()

    assert desk.boards["oncall"].created == []
    assert desk.record().chain[-1].mark is Mark.DROPPED


def test_a_replay_says_what_is_gone(desk: Desk) -> None:
    rejected(desk)
    letter = DeadLetters(desk.keys).find(NAME)
    assert letter is not None
    desk.keys.client.delete("{ab}:i:" + "f" * 24)
    done, said = replayer(desk).replay(letter, NOW)
    assert (done, "kept no more: drop the letter" in said) == (False, True)

    replayer(desk).drop(letter, NOW)
    assert replayer(desk).replay(letter, NOW)[1].startswith("it is gone already")
    elsewhere = msgspec.structs.replace(letter, destination="old")
    assert replayer(desk).replay(elsewhere, NOW)[1].startswith("there is no destination old any more")


def test_a_shown_delivery_holds_its_incident_and_receipt(desk: Desk) -> None:
    rejected(desk)
    letter = DeadLetters(desk.keys).find(NAME)
    assert letter is not None
    content = content_of(letter, desk.record())
    incident = content["incident"]
    assert isinstance(incident, dict)
    assert (incident["title"], incident["status"]) == ("ZeroDivisionError", "firing")
    assert content["receipt"] is None


# --- requests --------------------------------------------------------------------------------------------


def test_a_request_is_replayed_through_the_newer_parser(desk: Desk) -> None:
    name = keep(desk)
    assert replay(desk, name, Reader("strange")) == (True, "accepted: 1 alert")
    desk.hear()

    assert desk.record().incident.count == 1
    assert desk.record().incident.first_seen == NOW
    assert len(DeadLetters(desk.keys)) == 0


def test_a_request_that_still_cannot_be_parsed_stays_with_the_new_reason(desk: Desk) -> None:
    name = keep(desk)
    assert replay(desk, name, Reader("x", "y")) == (False, "it still can't be parsed: version 2 knows no strange")

    letter = DeadLetters(desk.keys).find(name)
    assert letter is not None
    assert (letter.reason, letter.attempts, letter.at) == ("version 2 knows no strange", 2, NOW)


def test_a_replay_interrupted_before_the_letter_was_dropped_counts_once(desk: Desk) -> None:
    name = keep(desk)
    letter = DeadLetters(desk.keys).find(name)
    replay(desk, name, Reader("strange"))
    desk.hear()
    assert letter is not None
    DeadLetters(desk.keys).put(letter)
    replay(desk, name, Reader("strange"))
    desk.hear()

    assert desk.record().incident.count == 1


def test_a_request_that_turns_out_to_be_no_alert_goes(desk: Desk) -> None:
    name = keep(desk, "comment")
    assert replay(desk, name, Reader("comment")) == (True, "no alert, so it is dropped: a comment")
    assert len(DeadLetters(desk.keys)) == 0


def test_the_same_request_again_is_the_same_letter(desk: Desk) -> None:
    name = keep(desk)
    assert keep(desk) == name

    (letter,) = DeadLetters(desk.keys).all()
    assert letter.attempts == 2


def test_what_proved_a_request_and_secrets_are_not_kept(desk: Desk) -> None:
    headers = {
        "authorization": "Bearer abc",
        "sentry-hook-signature": "deadbeef",
        "sentry-hook-resource": "issue",
        "x-api-key": "k3y-0123456789",
    }
    letter = letter_of("reader", request('{"password": "hunter2", "a": 1}', **headers), "why", SCRUBBER)

    assert letter.headers["sentry-hook-resource"] == "issue"
    kept = repr(letter)
    assert "hunter2" not in kept
    assert "abc" not in kept
    assert "deadbeef" not in kept
    assert "k3y" not in kept


def test_a_body_too_long_to_keep_can_not_be_replayed_and_says_so(desk: Desk) -> None:
    name = keep(desk, "strange " + "x " * 600_000)
    letter = DeadLetters(desk.keys).find(name)
    assert letter is not None
    assert letter.cut
    assert replay(desk, name, Reader("strange"))[1].startswith("its body was too long to be kept whole")


def test_what_there_is_no_room_for_is_counted_until_the_others_are_seen_to(desk: Desk) -> None:
    letters = DeadLetters(desk.keys, LetterLimit(requests=2))
    kept = [letters.put(letter_of("reader", request(str(n)), "why", SCRUBBER)) for n in range(4)]

    assert kept == [True, True, False, False]
    assert letters.shed == 2
    first, second = letters.all()
    letters.drop(first, NOW)
    assert letters.shed == 2
    letters.drop(second, NOW)
    assert letters.shed == 0
    assert desk.keys.client.hget("{ab}:counts", "dead_letters_shed") == b"2"


def test_letters_of_deliveries_leave_room_for_those_of_requests(desk: Desk) -> None:
    for number in range(3):
        rejected(desk, fingerprint=f"{number:024x}")

    assert DeadLetters(desk.keys, LetterLimit(requests=2)).put(letter_of("reader", request(), "why", SCRUBBER))


def test_a_rejection_beyond_the_room_for_letters_is_counted_told_and_not_forgotten(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    full = dataclasses.replace(desk.parts, deliveries=Deliveries(desk.keys, letters=2))
    desk.parts = full
    with structlog.testing.capture_logs() as lines:
        for number in range(4):
            rejected(desk, fingerprint=f"{number:024x}")
    letters = DeadLetters(desk.keys)

    assert (len(letters), letters.shed) == (2, 2)
    assert [line["incident"][:24] for line in lines if line["event"] == "dead_letter_shed"] == [
        f"{number:024x}" for number in (2, 3)
    ]
    shed = desk.record(f"{3:024x}")
    assert "".join(step.mark for step in shed.chain) == "orDS"
    assert [told.text for told in story(shed, {}, UTC)][-2:] == [
        "there is no room for one more dead letter, so it is tried again only when the incident changes",
        "was refused for good; a change of the incident tries it again",
    ]
    (concern,) = concerns(Vitals(desk.keys).read(["oncall"]), Limits())
    assert concern.summary.startswith("2 of them, and 2 more that there was no room for.")


def test_what_was_shed_is_tried_again_when_its_incident_changes_and_a_known_letter_needs_no_room(desk: Desk) -> None:
    desk.parts = dataclasses.replace(desk.parts, deliveries=Deliveries(desk.keys, letters=1))
    rejected(desk)
    rejected(desk, fingerprint="0" * 24)
    rejected(desk, severity="critical")
    letter = DeadLetters(desk.keys).find(NAME)
    assert letter is not None
    assert (letter.attempts, DeadLetters(desk.keys).shed) == (2, 1)

    desk.hear(firing(fingerprint="0" * 24, severity="critical"))
    assert desk.boards["oncall"].created == [f"{'0' * 24}-1"]


def test_letters_are_bounded_in_bytes_and_dropping_makes_room(desk: Desk) -> None:
    letters = DeadLetters(desk.keys)
    first = letter_of("reader", request("1"), "why", SCRUBBER)
    letters.put(first)
    size = int(desk.keys.client.get("{ab}:dead:bytes") or 0)  # type: ignore[arg-type]  # not the async client
    letters = DeadLetters(desk.keys, LetterLimit(bytes=size + size // 2))
    second = letter_of("reader", request("2"), "why", SCRUBBER)
    assert not letters.put(second)

    letters.drop(first, NOW)
    assert desk.keys.client.get("{ab}:dead:bytes") == b"0"
    assert letters.put(second)


def test_a_receipt_of_before_the_rejection_is_kept(desk: Desk) -> None:
    stands = Receipt(handle=("C1", "1"), version=1, told=0)
    desk.boards["oncall"].answers.append(Rejected("thread_locked", receipt=stands))
    desk.hear(firing())

    assert desk.record().receipts["oncall"] == stands
