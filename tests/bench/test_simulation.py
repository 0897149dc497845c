"""The simulation agrees with the closed forms of queueing, and counts nothing twice."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bench.simulation import BUSY, Costs, Load, arrivals, needed, queue, simulate, table


@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_one_server_waits_as_the_closed_form_says(busy: float) -> None:
    """M/D/1: the mean wait is rho / (2 (1 - rho)) services (Pollaczek and Khinchine)."""
    waited, _ = queue(list(arrivals(busy, 200_000, random.Random(1))), 1.0, 1)

    assert waited.mean == pytest.approx(busy / (2 * (1 - busy)), rel=0.05)


def test_what_comes_at_once_is_done_when_the_servers_can_have_done_it() -> None:
    waited, ends = queue([0.0] * 100, 2.0, 8)

    assert max(ends) == 26.0  # 13 rounds of 8
    assert len(ends) == 100
    assert waited.longest_queue == 92


def test_what_comes_slowly_waits_for_nothing() -> None:
    waited, ends = queue([0.0, 10.0, 20.0], 2.0, 1)

    assert (waited.mean, waited.longest_queue) == (0.0, 0)
    assert ends == [2.0, 12.0, 22.0]


def test_a_hundred_times_the_load_needs_a_hundred_times_the_cores() -> None:
    one, hundred = (needed(Load(alerts), Costs()) for alerts in (1000, 100_000))

    assert hundred.store == pytest.approx(100 * one.store)
    assert hundred.channels == pytest.approx(100 * one.channels)
    assert hundred.receivers == pytest.approx(100_000 * Costs().receiver / BUSY, abs=1)


def test_each_process_has_room_left() -> None:
    load, costs = Load(3000), Costs()
    waited = simulate(load, costs, 20_000)

    assert needed(load, costs).receivers * BUSY >= load.alerts * costs.receiver
    assert waited["receiver"].p99 < 20 * costs.receiver


def test_the_table_says_where_it_ends() -> None:
    rows = table([replace(Load(1000), alerts=1000 * times) for times in (1, 10, 100)], Costs()).splitlines()

    assert [row.split("|")[1].strip() for row in rows[2:]] == ["1,000", "10,000", "100,000"]
    assert "times too small" not in rows[3]
    assert "times too small" in rows[4]
    assert "a minute more wait" in rows[3]
