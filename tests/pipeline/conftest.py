"""The pipeline without haste: what a bell is heard for does not end because the machine is slow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest


@pytest.fixture(scope="package", autouse=True)
def long_turns() -> Iterator[None]:
    """Has a call of `deliver` take all that is due, not only what a second is enough for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.pipeline.deliver.TURN", timedelta(minutes=10))
        yield
