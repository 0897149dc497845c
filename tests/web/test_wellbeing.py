"""What the receiver says of the whole bridge, and what it leaves for the workers to tell."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import redis

from bridge import wiring
from bridge.store.journal import Journal
from bridge.store.notes import Note, encode_note, notes_of
from bridge.store.presence import Presence
from bridge.store.segment import Entry
from bridge.web import serve
from bridge.web.app import application
from bridge.web.inlet import InboxLimit
from tests.e2e.bridge_processes import until
from tests.sandbox_server import running
from tests.sources.sns_world import TOPIC
from tests.web.conftest import CONFIG, Receiving
from tests.web.test_pages import metrics

Receive = Callable[..., Receiving]


def notes(receiver: Receiving) -> tuple[Note, ...]:
    keys = receiver.keyspace
    return notes_of(keys.client.hgetall(keys.key("receivers")))  # type: ignore[arg-type]  # not the async client


def test_the_full_answer_says_how_the_bridge_is_and_no_names(receiver: Receiving) -> None:
    keys = receiver.keyspace
    now = time.time() * 1000
    keys.client.set(keys.key("probe:oncall"), b"%d|token_revoked" % (now - 90_000))
    keys.client.zadd(keys.key("due:oncall"), {"f-1": now})
    keys.client.zadd(keys.key("owed:oncall"), {"f-1": now - 90_000})
    Presence(keys).beat()
    answer = receiver.get("/readyz?full")
    bridge = answer.json()["bridge"]

    assert bridge["workers"] == {"alive": 1, "silent": 0}
    assert bridge["concerns"] == [
        {"name": "blocked:oncall", "severity": "critical", "title": "alert-bridge can't deliver to oncall"}
    ]
    assert bridge["blocked"] == ["oncall"]
    assert 90 <= bridge["oldest_undelivered_seconds"]["oncall"] < 180
    assert "token_revoked" not in answer.text, "anybody may ask"
    assert socket.gethostname() not in answer.text
    assert "bridge" not in receiver.get("/readyz").json(), "a probe asks for no more than it needs"


def test_metrics_show_how_the_bridge_is(receiver: Receiving) -> None:
    keys = receiver.keyspace
    now = time.time() * 1000
    keys.client.zadd(keys.key("owed:oncall"), {"f-1": now - 400_000})
    keys.client.xadd(keys.key("inbox"), {"a": b"\x90", "t": ""}, id=f"{int(now) - 7_000}-0")
    found = metrics(receiver)

    assert found["alert_bridge_workers", ()] == 0
    assert 7 <= found["alert_bridge_inbox_age_seconds", ()] < 90
    assert 400 <= found["alert_bridge_oldest_undelivered_seconds", ("oncall",)] < 490
    assert found["alert_bridge_blocked", ("oncall",)] == 0
    assert found["alert_bridge_concern", ("overdue", "oncall")] == 1


def test_a_receiver_that_sends_senders_away_leaves_a_note_at_once(receive: Receive) -> None:
    receiver = receive(inbox_limit=InboxLimit(entries=1))
    until(lambda: bool(notes(receiver)), "the first note")
    assert not notes(receiver)[0].full
    assert receiver.post("alertmanager").status_code == 202
    assert receiver.post("alertmanager").status_code == 503
    until(lambda: any(note.full and note.refused_by == "inbox" for note in notes(receiver)), "it says so")


def test_the_note_of_a_dead_receiver_goes_when_its_journal_was_taken_over(
    receive: Receive, tmp_path: Path, redis_client: redis.Redis
) -> None:
    dead = Journal(tmp_path / "journal")
    dead.append([Entry("", b"\x90")])
    name = f"{socket.gethostname()}/{dead.name}"
    dead.close()
    redis_client.hset("{ab}:receivers", name, encode_note(Note(name=name, at=datetime.now(UTC), records=1)))
    receiver = receive()
    until(lambda: [note.name for note in notes(receiver)] not in ([], [name]), "the new one's note")
    until(lambda: name not in [note.name for note in notes(receiver)], "the dead one's is gone")


def test_a_receiver_that_ends_takes_its_note_away(tmp_path: Path, store: str, redis_client: redis.Redis) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text(CONFIG.format(topic=TOPIC, host="127.0.0.1:1"))
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(config), "REDIS_URL": store, "ALERT_BRIDGE_DATA": str(tmp_path)})
    with running(application(serve.receiver(settings)), lifespan="on"):
        until(lambda: redis_client.hlen("{ab}:receivers") == 1, "the first note")
    assert redis_client.hlen("{ab}:receivers") == 0
