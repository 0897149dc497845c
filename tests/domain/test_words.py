from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.words import clip, duration, mentions


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (45, "45 s"),
        (720, "12 min"),
        (12000, "3 h 20 min"),
        (3601, "1 h"),
        (187200, "2 d 4 h"),
        (86401, "1 d"),
    ],
)
def test_a_span_reads_as_people_say_it(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@given(st.text(), st.integers(1, 50))
def test_clipped_text_fits_and_says_that_it_was_cut(text: str, limit: int) -> None:
    cut = clip(text, limit)

    assert len(cut) <= limit
    assert cut == text if len(text) <= limit else cut.endswith("…")


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("checkout-api is down", "checkout-api", True),
        ("Heartbeat Nightly is down", "nightly", True),
        ("결제: 응답 없음", "결제", True),
        ("checkout-api is down", "api", False),
        ("checkout-api-5xx", "checkout-api", False),
        ("c++ fails", "c++", True),
    ],
)
def test_a_name_is_mentioned_as_a_word_of_its_own(text: str, name: str, found: bool) -> None:
    assert mentions(text, name) is found
