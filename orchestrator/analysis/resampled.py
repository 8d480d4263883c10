"""The corrected resampled t-test: means and differences over several splits of the same images.

Nadeau and Bengio 2003, Machine Learning 52:239-281. The training sets of two splits share images,
so results of splits scatter less than those of new images would. The variance of the mean over k
splits is therefore that over splits times 1/k + n_test/n_train, instead of 1/k.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from jobs.statistics.interval import Interval
from orchestrator.analysis.pairwise import PairwiseTest, corrected
from orchestrator.analysis.spreads import student

RESAMPLED = "corrected resampled t"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many images the splits train and test on: the means over splits.

    `swing` is the square of what one image can change in the metric, times the number of images
    (`image_values.swing`): 1 where it is right or wrong.
    """

    train: float
    test: float
    swing: float = 1.0

    @property
    def ratio(self) -> float:
        """What the correction adds to 1/k."""
        return self.test / self.train

    @property
    def least_variance(self) -> float:
        """The least variance of a metric over splits: that of two which differ by one image."""
        return 0.5 * self.swing / self.test**2


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over splits, its standard error, and its degrees of freedom."""

    value: float
    error: float
    df: int

    @property
    def interval(self) -> Interval:
        """The 95% interval."""
        half = student(self.df) * self.error
        return Interval(self.value - half, self.value + half)

    @property
    def p(self) -> float:
        """The two-sided p-value of its being zero."""
        from scipy import stats

        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.df))


def mean_over_splits(values: Sequence[float], ratio: float, least: float = 0.0) -> Mean | None:
    """The mean of values, one a split; None with fewer than two.

    `ratio` is n_test/n_train. The variance over splits is at least `least`: values that agree by
    chance are no certainty.
    """
    splits = len(values)
    if splits < 2:
        return None
    mean = math.fsum(values) / splits
    variance = math.fsum((value - mean) ** 2 for value in values) / (splits - 1)
    error = math.sqrt(max(variance, least) * (1 / splits + ratio))
    return Mean(mean, error, splits - 1)


def difference_over_splits(
    first: Mapping[int, float], second: Mapping[int, float], sizes: Sizes
) -> Mean | None:
    """The first values minus the second on the splits that both have; None with fewer than two."""
    paired = [value - second[split] for split, value in first.items() if split in second]
    return mean_over_splits(paired, sizes.ratio, sizes.least_variance)


def resampled_tests(
    values: Mapping[str, Mapping[int, float]],
    sizes: Sizes,
    *,
    higher_is_better: bool = True,
) -> tuple[PairwiseTest, ...]:
    """Test each pair of networks by their values, which are by split; Holm's correction.

    Only splits count on which both were tested, and pairs with fewer than two are left out.
    """
    tests = []
    for first, second in combinations(values, 2):
        mean = difference_over_splits(values[first], values[second], sizes)
        if mean is None:
            continue
        tests.append(
            PairwiseTest(
                first,
                second,
                images=round(sizes.test),
                seeds=mean.df + 1,
                only_first=None,
                only_second=None,
                p=mean.p,
                p_holm=mean.p,
                difference=mean.value,
                interval=mean.interval,
                seed_interval=mean.interval,
                p_seeds=mean.p,
                p_seeds_holm=mean.p,
                higher_is_better=higher_is_better,
                method=RESAMPLED,
            )
        )
    return corrected(tests)
