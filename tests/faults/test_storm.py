"""The short selection: every kind of fault once, in a random order, while alerts flow. `make faults` runs for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.run import run, said
from tests.faults.storm import INSIDE, OUTSIDE, one_of_each

SEED = 7


@pytest.mark.parametrize(
    ("kinds", "alerts", "gap"), [(OUTSIDE, 500, 0.4), (INSIDE, 600, 0.6)], ids=["outside", "inside"]
)
def test_nothing_is_lost_and_nothing_told_twice_through_faults(
    tmp_path: Path, kinds: dict[str, int], alerts: int, gap: float
) -> None:
    faults = one_of_each(SEED, kinds)
    result = run(tmp_path, SEED, faults, alerts, gap)

    assert sum(result.storm.struck.values()) >= len(faults) - 8, "on a slow machine some find nothing to strike"
    assert result.outside["issues"] >= 20
    assert not said(result), f"{said(result)}\n(seed {SEED}; the processes wrote to {tmp_path})"
