"""Who folds the inbox tells one destination itself; all else is rung for, and lost rings are the sweep's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import redis

from bridge.domain.routing import Route
from bridge.pipeline.ingest import ingest
from bridge.pipeline.onward import ingest_and_deliver
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
