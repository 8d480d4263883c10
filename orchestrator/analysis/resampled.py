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
from orchestrator.analysis.statistics import student

RESAMPLED = "corrected resampled t"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many images the splits train and test on: the means over splits."""

    train: float
    test: float

    @property
    def ratio(self) -> float:
        """What the correction adds to 1/k."""
        return self.test / self.train


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over splits with its 95% interval, and the p-value of its being zero."""

    value: float
    interval: Interval
    p: float


def mean_over_splits(values: Sequence[float], ratio: float, least: float = 0.0) -> Mean | None:
    """Mean, 95% interval and two-sided p of values, one a split; None with fewer than two.

    `ratio` is n_test/n_train. The variance over splits is at least `least`: values that agree by
    chance are no certainty.
    """
    splits = len(values)
    if splits < 2:
        return None
    from scipy import stats

    mean = math.fsum(values) / splits
    variance = math.fsum((value - mean) ** 2 for value in values) / (splits - 1)
    error = math.sqrt(max(variance, least) * (1 / splits + ratio))
    half = student(splits - 1) * error
    if error == 0:
        p = 1.0 if mean == 0 else 0.0
    else:
        p = float(2 * stats.t.sf(abs(mean) / error, splits - 1))
    return Mean(mean, Interval(mean - half, mean + half), p)


def one_image(share: bool, sizes: Sizes) -> float:
    """The least variance of a share over splits: that of two which differ by one test image."""
    return 0.5 / sizes.test**2 if share else 0.0


def resampled_tests(
    values: Mapping[str, Mapping[int, float]],
    sizes: Sizes,
    *,
    share: bool = True,
    higher_is_better: bool = True,
) -> tuple[PairwiseTest, ...]:
    """Test each pair of networks by their values, which are by split; Holm's correction.

    Only splits count on which both were tested, and pairs with fewer than two are left out.
    `share`: the values are shares of test images.
    """
    tests = []
    for first, second in combinations(values, 2):
        common = [split for split in values[first] if split in values[second]]
        paired = [values[first][split] - values[second][split] for split in common]
        mean = mean_over_splits(paired, sizes.ratio, one_image(share, sizes))
        if mean is None:
            continue
        tests.append(
            PairwiseTest(
                first,
                second,
                images=round(sizes.test),
                seeds=len(common),
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
