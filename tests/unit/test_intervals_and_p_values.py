"""Intervals, deviations and corrections compared with published examples, scipy, and properties
that always hold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jobs.statistics.interval import Interval
from orchestrator.analysis import bootstrap, pairwise
from orchestrator.analysis.p_values import holm, over_seeds
from orchestrator.analysis.seed_intervals import all_moments
from orchestrator.analysis.spreads import Z95, Spread, spread, wilson

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_the_published_examples(
    correct: int, total: int, low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3."""
    found = wilson(correct, total)

    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 20_000), st.data())
def test_wilson_agrees_with_scipy(total: int, data: st.DataObject) -> None:
    """For any counts."""
    correct = data.draw(st.integers(0, total))
    theirs = stats.binomtest(correct, total).proportion_ci(0.95, "wilson")
    ours = wilson(correct, total)

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_stays_within_0_and_1_and_knows_nothing_of_no_images() -> None:
    """All correct ends at exactly 1; no images gives the whole range."""
    assert wilson(20, 20).high == 1.0
    assert wilson(0, 0) == Interval(0.0, 1.0)


def test_one_seed_has_no_deviation_and_several_have_the_sample_one() -> None:
    """2, 4 and 6: mean 4, deviation 2 with n - 1; t(2) = 4.3027, so 4 ± 4.3027 * 2 / sqrt(3)."""
    found = spread([2, 4, 6])

    assert spread([]) is None
    assert spread([0.5]) == Spread(0.5, None, 1)
    assert found is not None
    assert (found.mean, found.deviation, found.n) == (4.0, 2.0, 3)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((-0.9683, 8.9683), abs=1e-4)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=12).filter(lambda v: np.std(v) > 1e-6))
def test_the_interval_over_seeds_is_students(values: list[float]) -> None:
    """As scipy has it."""
    found = spread(values)
    theirs = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))

    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(theirs, rel=1e-6, abs=1e-9)


def test_holm_by_hand() -> None:
    """0.01 times 4; 0.02 times 3; 0.03 times 2 is the same 0.06; 0.04 times 1 may not be smaller
    than that.
    """
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(SHARES, st.randoms(use_true_random=False))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(
    values: list[float], rng: object
) -> None:
    """The order does not matter either; no larger than Bonferroni's."""
    found = holm(values)
    order = list(range(len(values)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    mixed = holm([values[i] for i in order])

    assert all(
        p <= corrected <= min(1.0, p * len(values)) + 1e-15
        for p, corrected in zip(values, found, strict=True)
    )
    assert [found[i] for i in order] == mixed
    assert all(found[i] <= found[j] for i in order for j in order if values[i] < values[j])


@given(SHARES)
def test_several_seeds_make_one_p_value_within_their_range(values: list[float]) -> None:
    """n / k times the k-th smallest: never below the median, a single value stays the same."""
    found = over_seeds(values)

    assert min(1.0, sorted(values)[len(values) // 2]) <= found <= 1.0
    assert over_seeds([0.03]) == 0.03
    assert over_seeds([0.01, 0.02, 0.9]) == pytest.approx(0.02 * 3 / 2)


def answers(
    seed: int, networks: int = 3, seeds: int = 1, images: int = 150
) -> dict[str, np.ndarray]:
    """Correct predictions of some networks, each a bit better than the one before, with images that
    are hard for all.
    """
    rng = np.random.default_rng(seed)
    hard = rng.random(images)
    return {
        f"n{i}": hard + rng.normal(0, 0.2, (seeds, images)) < 0.6 + 0.1 * i for i in range(networks)
    }


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_duels_do_not_depend_on_the_order_of_networks(seed: int, seeds: int) -> None:
    """In either direction and any order, the same counts, p-values and intervals."""
    right = answers(seed, seeds=seeds)
    forth, back = (
        pairwise.pairwise_tests(right, all_moments(right)),
        pairwise.pairwise_tests(dict(reversed(right.items())), all_moments(right)),
    )

    for paired_test in forth:
        other = pairwise.find_pair(back, paired_test.first, paired_test.second)

        assert other is not None
        assert (
            paired_test.only_first,
            paired_test.only_second,
            paired_test.p,
            paired_test.p_holm,
        ) == (
            other.only_first,
            other.only_second,
            other.p,
            other.p_holm,
        )
        assert paired_test.difference == pytest.approx(other.difference)
        assert (paired_test.interval.low, paired_test.interval.high) == pytest.approx(
            (other.interval.low, other.interval.high)
        )


def test_the_bootstrap_is_reproducible_and_follows_the_normal_one() -> None:
    """One seed: the deviation of the paired difference over the root of n, as the textbook
    has it.
    """
    right = answers(7, networks=2, images=4000)
    first, again = bootstrap.resampled(right), bootstrap.resampled(right)
    paired = right["n1"][0].astype(float) - right["n0"][0]
    found = bootstrap.difference(first["n1"], first["n0"])
    half = Z95 * paired.std() / 4000**0.5

    assert all((first[name] == again[name]).all() for name in right)
    assert (found.low, found.high) == pytest.approx(
        (paired.mean() - half, paired.mean() + half), abs=0.1 * half
    )


def test_the_bootstrap_agrees_with_scipys_paired_one() -> None:
    """scipy.stats.bootstrap on the same differences, percentile method."""
    right = answers(3, networks=2, images=500)
    paired = right["n1"][0].astype(float) - right["n0"][0]
    theirs = stats.bootstrap(
        (paired,), np.mean, method="percentile", rng=1, n_resamples=4000
    ).confidence_interval
    drawn = bootstrap.resampled(right)
    ours = bootstrap.difference(drawn["n1"], drawn["n0"])

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_seeds_that_differ_widen_the_interval() -> None:
    """The same mean, but one network's seeds vary: resampling seeds must show it."""
    steady = np.repeat(answers(1, networks=2, images=2000)["n1"], 4, axis=0)
    scattered = steady.copy()
    scattered[0], scattered[1] = True, False
    other = np.zeros_like(steady)
    narrow = bootstrap.resampled({"a": steady, "b": other})
    wide = bootstrap.resampled({"a": scattered, "b": other})
    widths = [bootstrap.difference(drawn["a"], drawn["b"]) for drawn in (narrow, wide)]

    assert widths[1].high - widths[1].low > 5 * (widths[0].high - widths[0].low)


def test_several_seeds_need_the_p_value_over_seeds() -> None:
    """McNemar alone says nothing of seeds."""
    paired_test = pairwise.PairwiseTest(
        "a", "b", 100, 2, 30, 1, 0.001, 0.001, 0.1, Interval(0.01, 0.3), Interval(-0.1, 0.3), 0.4, 1
    )

    assert not paired_test.significant
    assert replace(paired_test, seeds=1).significant
    assert replace(paired_test, p_seeds_holm=0.03).significant
    assert paired_test.turned().turned() == paired_test
