"""McNemar's exact test, two-sided for reports and one-sided for races."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jobs.statistics.mcnemar import mcnemar

COUNT = st.integers(0, 3000)


def test_it_is_what_one_computes_by_hand() -> None:
    """5 against 15: the sum of C(20, k) for k up to 5 is 21700, of 2 to the 20; twice that."""
    assert mcnemar(5, 15) == pytest.approx(2 * 21700 / 1048576)
    assert mcnemar(15, 5, alternative="first-better") == pytest.approx(21700 / 1048576)
    assert mcnemar(0, 0) == mcnemar(7, 7) == mcnemar(0, 0, "first-better") == 1.0


@given(COUNT, COUNT)
@settings(deadline=None)
def test_both_alternatives_are_scipys_binomial_test(first: int, second: int) -> None:
    """Of fair coins, one for each image that a single network predicted correctly."""
    if not first + second:
        return
    two_sided = stats.binomtest(first, first + second, 0.5).pvalue
    one_sided = stats.binomtest(first, first + second, 0.5, alternative="greater").pvalue

    assert mcnemar(first, second) == pytest.approx(two_sided, rel=1e-9)
    assert mcnemar(first, second, "first-better") == pytest.approx(one_sided, rel=1e-9)


@given(COUNT, COUNT)
@settings(deadline=None)
def test_two_sided_it_does_not_matter_who_is_first(first: int, second: int) -> None:
    """To the last bit, and it stays a probability."""
    p = mcnemar(first, second)

    assert p == mcnemar(second, first)
    assert 0 <= p <= 1
