from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.alert import Severity, epoch_ms, event_id, fingerprint, from_epoch


def test_a_fingerprint_tells_apart_what_concatenation_would_not() -> None:
    assert fingerprint("a", "bc") != fingerprint("ab", "c")
    assert fingerprint("a", "") != fingerprint("a")
    assert len(fingerprint("sentry", "issue", "4")) == 24


@given(st.lists(st.text()), st.lists(st.text()))
def test_different_parts_give_different_fingerprints(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


def test_an_event_id_takes_bytes() -> None:
    assert event_id("sentry", b"\xff") != event_id("sentry", b"\xfe")


@pytest.mark.parametrize(
    ("word", "severity"),
    [("P1", Severity.CRITICAL), (" Fatal ", Severity.CRITICAL), ("warn", Severity.WARNING), ("odd", Severity.ERROR)],
)
def test_senders_words_become_severities(word: str, severity: Severity) -> None:
    assert Severity.from_word(word, Severity.ERROR) is severity


@given(ms=st.integers(0, 2**33 * 1000 - 1000), micros=st.integers(0, 999))
def test_milliseconds_are_cut_off_exactly_never_rounded(ms: int, micros: int) -> None:
    at = from_epoch(ms / 1000)  # exact until 2242: from then on a float's seconds are coarser than a microsecond
    assert epoch_ms(at) == epoch_ms(at + timedelta(microseconds=micros)) == ms
