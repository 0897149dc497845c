"""Who folds the inbox tells one destination itself; all else is rung for, and lost rings are the sweep's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
import redis

from bridge.domain.alert import Alert
from bridge.domain.routing import Route
from bridge.pipeline import onward
from bridge.pipeline.ingest import BATCH, ingest
from bridge.pipeline.onward import ingest_and_deliver
from bridge.pipeline.parts import INBOX
from bridge.pipeline.sweep import sweep
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert


class Heard:
    """A bell that remembers."""

    def __init__(self) -> None:
        self.rings: list[str] = []

    def ingest(self) -> None:
        self.rings.append("")

    def deliver(self, destination: str) -> None:
        self.rings.append(destination)

    def recover(self, action: str) -> None:
        self.rings.append(f"recover:{action}")


def test_one_destination_is_told_at_once_and_the_other_rung_for(redis_client: redis.Redis) -> None:
    desk, bell = Desk(redis_client, [Board("oncall"), Board("tickets")], [Route(to=("oncall", "tickets"))]), Heard()
    desk.parts.inbox.put([alert(0, at=datetime.now(UTC))])
    ingest_and_deliver(replace(desk.parts, bell=bell))

    told = {name for name, board in desk.boards.items() if board.created}
    assert len(told) == 1
    assert {*told, *bell.rings} == {"oncall", "tickets"}
    assert len(bell.rings) == 1


def test_nothing_is_told_when_nothing_became_due(redis_client: redis.Redis) -> None:
    desk, bell = Desk(redis_client, [Board("oncall")], [Route(to=())]), Heard()
    desk.parts.inbox.put([alert(0, at=datetime.now(UTC))])
    ingest_and_deliver(replace(desk.parts, bell=bell))

    assert (desk.boards["oncall"].created, bell.rings) == ([], [])


def test_what_a_worker_that_died_on_the_way_left_is_rung_for_by_the_sweep(redis_client: redis.Redis) -> None:
    desk, bell = Desk(redis_client, [Board("oncall")], [Route(to=("oncall",))]), Heard()
    desk.parts.inbox.put([alert(0, at=datetime.now(UTC))])
    ingest(desk.parts)  # and here it was killed
    sweep(replace(desk.parts, bell=bell, vitals=None))

    assert bell.rings == ["oncall"]


def statements(count: int, first: int = 0) -> list[Alert]:
    now = datetime.now(UTC)
    return [alert(0, event=f"e{n}", at=now, fingerprint=f"{n:024}") for n in range(first, first + count)]


def test_all_that_waits_is_folded_for_one_bell_and_another_worker_is_called(redis_client: redis.Redis) -> None:
    desk, bell = Desk(redis_client, [Board("oncall")], [Route(to=())]), Heard()
    for one in statements(2 * BATCH + 1):
        desk.parts.inbox.put([one])
    ingest_and_deliver(replace(desk.parts, bell=bell))

    assert len(desk.parts.inbox) == 0
    assert bell.rings == [""]


def test_who_has_more_to_fold_has_others_tell(redis_client: redis.Redis) -> None:
    desk, bell = Desk(redis_client, [Board("oncall")], [Route(to=("oncall",))]), Heard()
    for one in statements(BATCH + 1):
        desk.parts.inbox.put([one])
    ingest_and_deliver(replace(desk.parts, bell=bell))

    assert bell.rings == ["", "oncall"]
    assert desk.boards["oncall"].created == []


def test_who_has_folded_for_long_rings_for_the_rest_and_lets_others_have_their_turn(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, bell = Desk(redis_client, [Board("oncall")], [Route(to=("oncall",))]), Heard()
    for one in statements(2 * BATCH):
        desk.parts.inbox.put([one])
    monkeypatch.setattr(onward, "TURN", -timedelta(seconds=1))
    ingest_and_deliver(replace(desk.parts, bell=bell))

    assert len(desk.parts.inbox) == BATCH
    assert bell.rings == [""]
    assert desk.boards["oncall"].created
    assert desk.parts.shifts.of(INBOX, 1).begin(), "it is free for the next bell"


def test_a_bell_while_this_process_folds_is_one_more_look_by_the_same_thread(redis_client: redis.Redis) -> None:
    desk, meanwhile = Desk(redis_client, [Board("oncall")], [Route(to=())]), statements(1, first=7)

    class Rings(Heard):
        """Rings, from another thread, when the first batch is not committed yet."""

        def ingest(self) -> None:
            if meanwhile:
                desk.parts.inbox.put([meanwhile.pop()])
                elsewhere = Thread(target=ingest_and_deliver, args=(parts,))
                elsewhere.start()
                elsewhere.join()
                self.rings.append(str(len(desk.parts.inbox)))

    bell = Rings()
    parts = replace(desk.parts, bell=bell)
    for one in statements(BATCH, first=100):
        desk.parts.inbox.put([one])
    ingest_and_deliver(parts)

    assert bell.rings == ["1"], "the other thread left it"
    assert len(desk.parts.inbox) == 0


def test_a_destination_that_this_process_serves_is_looked_at_once_more_without_a_message(
    redis_client: redis.Redis,
) -> None:
    desk, bell = Desk(redis_client, [Board("oncall")], [Route(to=("oncall",))]), Heard()
    shift = desk.parts.shifts.of("oncall", desk.parts.at_once)
    serving = Thread(target=shift.begin)
    serving.start()
    serving.join()
    desk.parts.inbox.put(statements(1))
    ingest_and_deliver(replace(desk.parts, bell=bell))

    assert (bell.rings, desk.boards["oncall"].created) == ([], [])
    assert shift.rung()
