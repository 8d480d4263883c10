"""Power of the report's pairwise tests: which differences of accuracy would stay invisible.

With one seed the test is McNemar's, whose power is computed exactly (Duffy 1984, Biometrics
40:1005-1015). With several seeds it is the interval of `seed_intervals` over seeds and images. Over
several splits it is the corrected resampled t-test (`resampled`), under the correlation of splits
that it was made for. Each pair is tested at `LEVEL` divided by the number of pairs, as Holm's first
step does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from jobs.statistics.interval import LEVEL

POWER = 0.8
"""The probability with which a difference is to be found."""
NORMAL_POWER = 0.8416212335729143
"""The standard normal quantile of `POWER`."""
ASSUMED_NOISE = 0.5
"""Part of the disagreement that is taken to come from the seed, where no seeds were compared."""
TARGETS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
WELL_BELOW = 0.6
MAX_SEEDS = 20
MAX_SPLITS = 20
MAX_IMAGES = 10_000_000
ALMOST_ALL = 1 - 1e-9


@dataclass(frozen=True)
class Power:
    """What pairwise tests can see.

    `disagreement` is the share of images that only one of two networks predicts correctly. `noise`
    is the same of two seeds of one network. Where a difference exceeds the disagreement, the latter
    is taken to be as large. Of several `splits` each has so many images and seeds, and `ratio` test
    images for each training image. `between` is the variance over seeds of a difference between two
    single trainings on so many images; what single images do not explain of it stays with more.
    """

    images: int
    pairs: int
    seeds: int
    disagreement: float
    noise: float
    splits: int = 1
    ratio: float = 0.0
    between: float = 0.0

    @cached_property
    def visible(self) -> float | None:
        """The least difference of accuracy (a share) that is found with `POWER`; None if none."""
        return self.least(self.images, self.seeds)

    @cached_property
    def target(self) -> float:
        """A round difference well below the visible one."""
        visible = math.inf if self.visible is None else self.visible
        return next((each for each in TARGETS if each <= WELL_BELOW * visible), TARGETS[-1])

    def least(self, images: int, seeds: int) -> float | None:
        """The least visible difference with so many images and seeds; None if none is visible."""
        from scipy import optimize

        def lacking(difference: float) -> float:
            return POWER - self.power(images, seeds, difference)

        if images < 1 or lacking(1.0) > 0:
            return None
        return float(optimize.brentq(lacking, 1e-9, 1.0, xtol=1e-5))

    def power(self, images: int, seeds: int, difference: float) -> float:
        """The probability that a difference of accuracy becomes significant."""
        from jobs.statistics.seed_intervals import SeedDifference

        if self.splits > 1:
            return self.over_splits(images, seeds, self.splits, difference)
        level, disagreement = self._level, self._at_least(images, difference)
        if seeds == 1:
            return mcnemar_power(images, disagreement, difference, level)
        of_seeds, of_images = self._variances(images, seeds, disagreement)
        spread = SeedDifference(0.0, of_seeds, 2.0 * (seeds - 1), of_images, max(images - 1.0, 1.0))
        error = math.sqrt(of_seeds + of_images)
        beyond = (difference - spread.half_width(level)) / error
        return 0.5 * math.erfc(-beyond / math.sqrt(2))

    def over_splits(self, images: int, seeds: int, splits: int, difference: float) -> float:
        """The same over so many splits, each with so many test images and seeds."""
        parts = self._variances(images, seeds, self._at_least(images, difference))
        # Over splits the scatter around the difference counts, as it is measured and not pooled.
        variance = max(sum(parts) - difference**2 / images, 0.5 / images**2)
        return resampled_power(splits, self.ratio, variance, difference, self._level)

    @property
    def _level(self) -> float:
        return LEVEL / max(self.pairs, 1)

    def _at_least(self, images: int, difference: float) -> float:
        """The disagreement with so large a difference on so many images."""
        return min(1.0, max(self.disagreement, difference, 0.5 / images))

    def _variances(self, images: int, seeds: int, disagreement: float) -> tuple[float, float]:
        """The variance of a difference of means that is due to seeds, and that due to images."""
        noise = min(self.noise, disagreement)
        explained = self.noise / self.images if self.images else 0.0
        beyond = max(0.0, self.between - explained)  # what more images do not lessen
        return (noise / images + beyond) / seeds, (disagreement - noise) / images

    @cached_property
    def images_for_target(self) -> int | None:
        """Test images that would show the target, to two digits; None beyond `MAX_IMAGES`."""
        return self.images_for(self.target)

    def images_for(self, difference: float) -> int | None:
        """Test images that would show this difference, to two digits; None beyond `MAX_IMAGES`."""
        low, high = self.images, max(self.images, 1)
        while self.power(high, self.seeds, difference) < POWER:
            low, high = high, 2 * high
            if high > MAX_IMAGES:
                return None
        while high - low > max(1, high // 200):
            middle = (low + high) // 2
            enough = self.power(middle, self.seeds, difference) >= POWER
            low, high = (low, middle) if enough else (middle, high)
        unit: int = 10 ** max(0, len(str(high)) - 2)
        return -(-high // unit) * unit

    @cached_property
    def seeds_for_target(self) -> int | None:
        """Seeds with which the target would be visible on these images; None where none helps."""
        return self.seeds_for(self.target)

    def seeds_for(self, difference: float) -> int | None:
        """Seeds that would show this difference on these images; None where none helps."""
        more = range(max(self.seeds + 1, 2), MAX_SEEDS + 1)
        enough = (n for n in more if self.power(self.images, n, difference) >= POWER)
        return next(enough, None) if self.images else None

    @cached_property
    def splits_for_target(self) -> int | None:
        """Splits of these images that would show the target; None where none help, or for one."""
        more = range(self.splits + 1, MAX_SPLITS + 1)
        if self.splits == 1 or not self.images:
            return None
        enough = (self.over_splits(self.images, self.seeds, n, self.target) >= POWER for n in more)
        return next((n for n, shows in zip(more, enough, strict=True) if shows), None)


def resampled_power(
    splits: int, ratio: float, variance: float, difference: float, level: float
) -> float:
    """The power of the corrected resampled t-test, if one split's difference has this variance.

    The differences of two splits are correlated by n_test / (n_test + n_train), as the test assumes
    (Nadeau and Bengio 2003, section 3). Its statistic then has a noncentral t distribution, and
    only the side of the true difference counts.
    """
    from scipy import stats

    own = variance / (1 + ratio)
    beyond = difference / math.sqrt(own * (1 / splits + ratio))
    critical = stats.t.isf(level / 2, splits - 1)
    return float(stats.nct.sf(critical, splits - 1, beyond))


def mcnemar_power(images: int, disagreement: float, difference: float, level: float) -> float:
    """The exact power of McNemar's exact test at this level (Duffy 1984).

    The images that only one network predicts correctly are binomial; of them, those of the better
    network are too. The test rejects where the smaller count is at most the critical one.
    """
    import numpy as np
    from scipy import stats

    low, high = stats.binom.interval(ALMOST_ALL, images, disagreement)
    apart = np.arange(max(1, int(low)), max(1, int(high)) + 1)
    critical = stats.binom.ppf(level / 2, apart, 0.5)
    critical = critical - (stats.binom.cdf(critical, apart, 0.5) > level / 2)
    better = min(1.0, (1 + difference / disagreement) / 2)
    rejected = stats.binom.cdf(critical, apart, better)
    rejected += stats.binom.sf(apart - critical - 1, apart, better)
    return float((stats.binom.pmf(apart, images, disagreement) * rejected).sum())
