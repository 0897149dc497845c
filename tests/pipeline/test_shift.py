"""One task at a time serves a destination in a process, and no bell that rings meanwhile is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from bridge.pipeline.shift import Shift, Shifts


def elsewhere(shift: Shift) -> bool:
    """Begin in another thread; return whether that one serves."""
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(shift.begin()))
    thread.start()
    thread.join()
    return found[0]


def test_one_at_a_time() -> None:
    shift = Shift("oncall", 2)
    assert shift.begin()
    assert not elsewhere(shift)
    shift.end()
    assert elsewhere(shift)


def test_a_bell_meanwhile_is_one_more_look() -> None:
    shift = Shift("oncall", 2)
    shift.begin()
    elsewhere(shift)
    elsewhere(shift)

    assert not shift.over()
    assert shift.over()


def test_a_bell_for_what_nobody_serves_is_not_taken() -> None:
    shift = Shift("oncall", 2)
    assert not shift.ring()
    shift.begin()
    assert shift.ring()
    assert not shift.over()
    assert shift.over()
    assert not shift.ring()


def test_who_is_done_ends_nobody_elses() -> None:
    shift = Shift("oncall", 2)
    shift.begin()
    assert shift.over()
    assert elsewhere(shift)
    shift.end()

    assert not elsewhere(shift)


def test_destinations_do_not_wait_for_each_other() -> None:
    shifts = Shifts()
    assert shifts.of("oncall", 2) is shifts.of("oncall", 2)
    assert shifts.of("oncall", 2).begin()
    assert shifts.of("tickets", 2).begin()


def test_no_bell_is_lost_however_they_race() -> None:
    shift, looks, bells, lock = Shift("oncall", 2), [0], [0], threading.Lock()
    seen = [0]

    def ring() -> None:
        with lock:
            bells[0] += 1
        if not shift.begin():
            return
        try:
            while True:
                with lock:
                    looks[0] += 1
                    seen[0] = bells[0]
                if shift.over():
                    return
        finally:
            shift.end()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(2000):
            pool.submit(ring)

    assert seen[0] == bells[0] == 2000
    assert looks[0] >= 1
