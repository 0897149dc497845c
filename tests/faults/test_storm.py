"""The short selection: every kind of fault once, in a random order, while alerts flow. `make faults` runs for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.run import run, said
from tests.faults.storm import one_of_each

SEED = 7


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_told_twice_through_one_fault_of_each_kind(tmp_path: Path) -> None:
    result = run(tmp_path, SEED, one_of_each(SEED), alerts=500, gap=0.25)

    assert sum(result.storm.struck.values()) >= 30
    assert len(result.ledger.problems) >= 50
    assert not said(result), f"{said(result)}\n(seed {SEED}; the processes wrote to {tmp_path})"
