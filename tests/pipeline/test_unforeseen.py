"""A mistake in a sink costs the delivery it happens in some time, and nothing else."""

from __future__ import annotations

import pytest
import redis
import structlog

from bridge.ports import Delivery, Receipt
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert


class Clumsy(Board):
    """A sink with a mistake in it."""

    mistaken_about = "f" * 24

    def sync(self, delivery: Delivery) -> Receipt:
        """Show the incident, unless it is the one it stumbles over."""
        if delivery.incident.fingerprint == self.mistaken_about:
            raise KeyError("token-in-an-error")
        return super().sync(delivery)


@pytest.fixture
def desk(redis_client: redis.Redis) -> Desk:
    """A desk with a clumsy sink and a sound one."""
    return Desk(redis_client, [Clumsy("clumsy"), Board("sound")])


def test_the_others_are_told_and_it_is_tried_again(desk: Desk) -> None:
    with structlog.testing.capture_logs() as lines:
        desk.hear(alert(), alert(fingerprint="e" * 24, event_id="other"), trace="a-trace")

    assert list(desk.boards["clumsy"].shown) == ["e" * 24 + "-1"]
    assert len(desk.boards["sound"].shown) == 2
    assert desk.parts.deliveries.due("clumsy") == 1
    (line,) = [one for one in lines if one["event"] == "delivery_broken"]
    assert line["do"] == "report it: this is a mistake in the bridge"
    assert (line["destination"], line["trace_id"]) == ("clumsy", "a-trace")


def test_once_the_mistake_is_mended_it_arrives_without_a_person(desk: Desk) -> None:
    desk.hear(alert())
    board = desk.boards["clumsy"]
    assert isinstance(board, Clumsy)
    board.mistaken_about = ""
    desk.wake("clumsy")

    assert list(board.shown) == ["f" * 24 + "-1"]
    assert desk.parts.deliveries.due("clumsy") == 0


def test_what_the_incident_says_of_it_holds_no_text_of_the_error(desk: Desk) -> None:
    with structlog.testing.capture_logs() as lines:
        desk.hear(alert())

    (line,) = [one for one in lines if one["event"] == "delivery_unknown"]
    assert line["reason"] == "a mistake in the bridge (KeyError): its log has the traceback"
