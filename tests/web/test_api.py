"""/api over real HTTP: only with the token, and the same as on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis

from bridge import wiring
from bridge.domain.alert import Alert, Status
from bridge.enrich.scrub import Scrubber, ScrubOptions
from bridge.pipeline.letters import Replayer
from bridge.ports import Rejected, Source
from bridge.store.deadletters import DeadLetters
from bridge.web import serve
from bridge.web.api import Api
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert
from tests.web.conftest import CONFIG, Receiving

TOKEN = "0123456789abcdef"
ID = f"{'f' * 24}-1"
LETTER = f"{ID}@oncall"
CALLS = [
    ("GET", "/api/incidents"),
    ("GET", f"/api/incidents/{ID}"),
    ("GET", f"/api/incidents/{ID}/why"),
    ("GET", "/api/dead-letters"),
    ("GET", f"/api/dead-letters/{LETTER}"),
    ("DELETE", f"/api/dead-letters/{LETTER}"),
    ("POST", f"/api/dead-letters/{LETTER}/replay"),
]


@dataclass
class Office:
    """A receiver with /api, and a desk on the same store."""

    receiver: Receiving
    desk: Desk

    def ask(self, path: str, method: str = "GET", authorization: str = f"Bearer {TOKEN}") -> httpx.Response:
        headers = {"authorization": authorization} if authorization else {}
        return httpx.request(method, self.receiver.url + path, headers=headers, timeout=20, trust_env=False)


@pytest.fixture
def office(receive: Callable[..., Receiving], redis_client: redis.Redis) -> Office:
    desk = Desk(redis_client, [Board("oncall")])
    sources: dict[str, Source] = {}
    scrubber = Scrubber(ScrubOptions())
    replayer = Replayer(letters=DeadLetters(desk.keys), parts=desk.parts, sources=sources, scrubber=scrubber)
    receiver = receive(api=Api(token=TOKEN, replayer=replayer, timezone=UTC))
    sources |= receiver.sources
    return Office(receiver, desk)


def firing(**more: object) -> Alert:
    at = datetime.now(UTC)
    return alert(0, event=str(at), **{"at": at, **more})  # type: ignore[arg-type]  # fields by name


FORGED = ["", TOKEN, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_without_the_token_nothing_is_told_or_done(office: Office, method: str, path: str) -> None:
    office.desk.boards["oncall"].answers.append(Rejected("no"))
    office.desk.hear(firing())
    for authorization in FORGED:
        answer = office.ask(path, method, authorization)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert ID not in answer.text
    assert len(DeadLetters(office.desk.keys)) == 1


def test_where_no_token_is_configured_there_is_no_api(receiver: Receiving) -> None:
    for method, path in CALLS:
        answer = httpx.request(method, receiver.url + path, headers={"authorization": "Bearer x"}, trust_env=False)
        assert answer.status_code == 404


def test_the_configured_token_opens_it(tmp_path: Path, store: str) -> None:
    config = tmp_path / "bridge.yaml"
    text = CONFIG.format(topic="arn:aws:sns:us-east-1:123456789012:x", host="127.0.0.1:1")
    config.write_text(text.replace("max_body: 64KiB", f"max_body: 64KiB, api_token: {TOKEN}"))
    environ = {"ALERT_BRIDGE_CONFIG": str(config), "REDIS_URL": store, "ALERT_BRIDGE_DATA": str(tmp_path)}
    made = serve.receiver(wiring.load(environ)).api

    assert made is not None
    assert made.token == TOKEN
    assert TOKEN not in repr(made)


def test_open_incidents_are_listed_newest_first(office: Office) -> None:
    office.desk.hear(firing(fingerprint="a" * 24))
    office.desk.hear(firing())
    office.desk.hear(firing(fingerprint="a" * 24, status=Status.RESOLVED))
    listed = office.ask("/api/incidents").json()

    assert listed["total"] == 1
    (one,) = listed["incidents"]
    assert (one["id"], one["status"], one["count"], one["told"]) == (ID, "firing", 1, {"oncall": "oncall 2"})
    every = office.ask("/api/incidents?all=1&limit=1").json()
    assert (every["total"], len(every["incidents"])) == (2, 1)


def test_a_limit_that_is_none_is_refused(office: Office) -> None:
    for limit in ("0", "-1", "x", "1001", "9" * 40, "²"):
        assert office.ask(f"/api/incidents?limit={limit}").status_code == 400


def test_an_incident_is_shown_by_names_and_explained(office: Office) -> None:
    office.desk.hear(firing())
    shown = office.ask(f"/api/incidents/{ID}").json()
    assert (shown["id"], shown["title"], shown["timeline"][0]["change"]) == (ID, "ZeroDivisionError", "opened")
    assert shown["receipts"]["oncall"]["handle"] == ["oncall", "1"]

    why = office.ask(f"/api/incidents/{ID}/why").json()["why"]
    assert [one["what"] for one in why] == ["opened", "routed", "created", "now"]
    assert datetime.fromisoformat(why[0]["at"]).tzinfo is not None


def test_what_is_unknown_is_not_found(office: Office) -> None:
    for path in ("/api/incidents/x", "/api/incidents/x/why", "/api/dead-letters/x", "/api/x"):
        assert office.ask(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/incidents/", "/api/incidents/%2F", "/api/dead-letters/", "/api/"])
def test_another_spelling_of_an_address_is_not_found(office: Office, path: str) -> None:
    assert office.ask(path).status_code == 404


def test_a_rejected_delivery_is_shown_and_replayed(office: Office) -> None:
    office.desk.boards["oncall"].answers.append(Rejected("invalid_blocks"))
    office.desk.hear(firing())
    (listed,) = office.ask("/api/dead-letters").json()["dead_letters"]
    assert (listed["name"], listed["reason"], listed["attempts"]) == (LETTER, "invalid_blocks", 1)
    assert office.ask(f"/api/dead-letters/{LETTER}").json()["incident"]["title"] == "ZeroDivisionError"

    replayed = office.ask(f"/api/dead-letters/{LETTER}/replay", "POST")
    assert (replayed.status_code, replayed.json()["done"]) == (200, True)
    office.desk.hear()
    assert office.desk.boards["oncall"].created == [ID]
    assert office.ask("/api/dead-letters").json() == {"shed": 0, "dead_letters": []}


def test_an_unparseable_request_is_kept_whole_and_says_why_it_stays(office: Office) -> None:
    genuine = office.receiver.sample("alertmanager")
    sent = office.receiver.send("alertmanager", b'{"version": "4", "alerts": "none"}', genuine.headers)
    assert sent.status_code == 400
    (listed,) = office.ask("/api/dead-letters").json()["dead_letters"]
    shown = office.ask(f"/api/dead-letters/{listed['name']}").json()
    assert shown["body"] == '{"version":"4","alerts":"none"}'
    assert "authorization" not in shown["headers"]

    replayed = office.ask(f"/api/dead-letters/{listed['name']}/replay", "POST")
    assert replayed.status_code == 409
    assert replayed.json()["said"].startswith("it still can't be parsed: ")
    dropped = office.ask(f"/api/dead-letters/{listed['name']}", "DELETE")
    assert dropped.json() == {"name": listed["name"], "done": True, "said": "dropped"}
    assert office.ask(f"/api/dead-letters/{listed['name']}", "DELETE").status_code == 404


def test_what_may_not_be_done_to_a_letter_is_answered_with_what_may(office: Office) -> None:
    answer = office.ask(f"/api/dead-letters/{LETTER}", "PUT")

    assert answer.status_code == 405
    assert {method.strip() for method in answer.headers["allow"].split(",")} == {"GET", "HEAD", "DELETE"}


def test_a_store_that_does_not_answer_is_said(receive: Callable[..., Receiving]) -> None:
    nowhere = Desk(redis.Redis(port=1), [Board("oncall")])
    replayer = Replayer(
        letters=DeadLetters(nowhere.keys), parts=nowhere.parts, sources={}, scrubber=Scrubber(ScrubOptions())
    )
    office = Office(receive(api=Api(token=TOKEN, replayer=replayer, timezone=UTC)), nowhere)
    answer = office.ask("/api/dead-letters")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    nowhere.keys.client.close()
