"""The corrected resampled t-test and non-inferiority over splits, against scipy."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("scipy", reason="scipy is not installed (extra 'report')")

import numpy as np
from scipy import stats

from orchestrator.analysis import resampled
from orchestrator.analysis.noninferiority import noninferior_over_splits


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_the_test_is_nadeau_and_bengios(ratio: float) -> None:
    """The reference: scipy's paired t-test, its statistic rescaled from 1/k to 1/k + ratio."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.8, 0.02, 10), rng.normal(0.79, 0.02, 10)
    plain = stats.ttest_rel(first, second)
    statistic = plain.statistic * np.sqrt((1 / 10) / (1 / 10 + ratio))
    values = {"a": dict(enumerate(first)), "b": dict(enumerate(second))}
    (test,) = resampled.resampled_tests(values, resampled.Sizes(400, 400 * ratio))
    ends = stats.t.interval(
        0.95, 9, (first - second).mean(), stats.sem(first - second) * np.sqrt(1 + 10 * ratio)
    )

    assert test.p == pytest.approx(2 * stats.t.sf(abs(statistic), 9))
    assert (test.interval.low, test.interval.high) == pytest.approx(ends)
    assert test.difference == pytest.approx((first - second).mean())


def test_by_hand_it_is_this() -> None:
    """Differences 0.02, 0.04, 0.06 and 0.08 with a quarter as many test as training images.

    Mean 0.05, variance 0.002 / 3, standard error sqrt(0.002 / 3 * (1/4 + 1/4)) = 0.018257; t is
    2.7386 with 3 degrees of freedom.
    """
    mean = resampled.mean_over_splits([0.02, 0.04, 0.06, 0.08], 0.25)

    assert mean is not None
    assert mean.value == pytest.approx(0.05)
    assert mean.interval.high - 0.05 == pytest.approx(3.18245 * 0.0182574, rel=1e-5)
    assert mean.p == pytest.approx(0.0714215, rel=1e-5)


def test_splits_that_agree_by_chance_are_no_certainty() -> None:
    """The variance of a share is at least that of two splits that differ by one test image."""
    values = {"a": {0: 0.9, 1: 0.9}, "b": {0: 0.8, 1: 0.8}}
    (test,) = resampled.resampled_tests(values, resampled.Sizes(80, 20))
    least = np.sqrt(0.5 / 20**2 * (1 / 2 + 1 / 4))

    assert test.p == pytest.approx(2 * stats.t.sf(0.1 / least, 1))
    assert test.p > 0.05


def test_no_metric_is_certain_because_splits_agree() -> None:
    """What one image can change is the least scatter of any metric, as for several seeds."""
    values = {"a": {0: 0.30, 1: 0.35, 2: 0.4}, "b": {0: 0.31, 1: 0.36, 2: 0.41}}
    sizes = resampled.Sizes(80, 20, swing=0.36)
    (test,) = resampled.resampled_tests(values, sizes, higher_is_better=False)
    least = 0.6 / 20 * np.sqrt(0.5 * (1 / 3 + 1 / 4))

    assert test.p == pytest.approx(2 * stats.t.sf(0.01 / least, 2))
    assert test.p > 0.5


def test_pairs_are_corrected_and_compared_on_common_splits() -> None:
    """Holm's correction; a network of one common split is not tested."""
    values = {
        "a": {0: 0.9, 1: 0.92, 2: 0.91},
        "b": {0: 0.8, 1: 0.83, 2: 0.84},
        "c": {0: 0.7, 1: 0.71, 2: 0.75},
        "d": {2: 0.5},
    }
    tests = resampled.resampled_tests(values, resampled.Sizes(80, 20))
    ordered = sorted(test.p for test in tests)

    assert {(test.first, test.second) for test in tests} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert min(test.p_holm for test in tests) == pytest.approx(3 * ordered[0])
    assert resampled.mean_over_splits([0.9], 0.25) is None


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_at_most_a_margin_worse_is_scipys_one_sided_test(lower_is_better: bool) -> None:
    """Its statistic rescaled from 1/k to 1/k + n_test/n_train; a loss the other way round."""
    rng, sign = np.random.default_rng(5), -1 if lower_is_better else 1
    best, ours = rng.normal(0.8, 0.02, 8), rng.normal(0.79, 0.02, 8)
    reference = stats.ttest_rel(sign * ours + 0.05, sign * best, alternative="greater")
    wider = np.sqrt((1 / 8 + 0.25) / (1 / 8))
    mean = resampled.difference_over_splits(
        dict(enumerate(ours)), dict(enumerate(best)), resampled.Sizes(400, 100)
    )
    assert mean is not None
    gain = replace(mean, value=sign * mean.value)
    one, other = noninferior_over_splits({"ours": gain, "again": gain}, "best", 0.05)
    middle = (sign * (ours - best)).mean()
    bound = reference.confidence_interval().low - 0.05

    assert one.p == pytest.approx(stats.t.sf(reference.statistic / wider, 7))
    assert one.p_holm == other.p_holm == pytest.approx(2 * one.p)
    assert one.gain == pytest.approx(middle)
    assert one.bound == pytest.approx(middle - wider * (middle - bound))
