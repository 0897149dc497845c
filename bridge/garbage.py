"""Python's search for cycles of dead objects: seldom, and never through what lives as long as the process."""

from __future__ import annotations

import gc

AFTER = 20_000
"""Objects more than before until it looks; Python's own 700 comes several times in each batch of alerts."""


def collect_seldom() -> None:
    """Set aside all that was loaded so far, and look for cycles seldom; a sixth of a worker's time, measured.

    Alerts hold no cycles: reference counts free them at once. Called when a process is ready to work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(AFTER, 20, 20)
