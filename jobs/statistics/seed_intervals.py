"""Differences of a mean metric over seeds and images, with their 95% intervals.

The model is Obuchowski and Rockette's, with seeds nested in networks and images crossed (Hillis
2014, Statistics in Medicine 33:330-360): the variance of a difference is that of the seeds plus
that of the images, which all seeds and networks share. It was made for any figure of merit; the
covariances over images are those of `orchestrator.analysis.image_values`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.statistics.interval import LEVEL, Interval

Values = np.ndarray[Any, Any]
"""Booleans or numbers, the last axis over images."""


@dataclass(frozen=True, slots=True, eq=False)
class SeedMoments:
    """Moments of one network's values of images over seeds and images.

    `shares` is the mean over seeds of each image's value: for accuracy, the share of seeds that got
    it right. `between` is the variance of the metric between seeds, `noise` the part of an image's
    variance that each seed has by itself. `swing` is the square of what one image can change.
    """

    seeds: int
    mean: float
    shares: np.ndarray[Any, np.dtype[np.float64]]
    between: float
    noise: float
    swing: float = 1.0


@dataclass(frozen=True, slots=True)
class SeedDifference:
    """A difference of mean accuracies with the variances of its seeds and its images."""

    difference: float
    seed_variance: float
    seed_df: float
    image_variance: float
    image_df: float

    def half_width(self, level: float = LEVEL) -> float:
        """Half the width of the interval at this level.

        Each variance has its own quantile of Student's t, which errs on the wide side (Banerjee
        1960, Sankhya 22:357-358; Graybill and Wang 1980, JASA 75:869-873).
        """
        from scipy import special

        seeds, images = special.stdtrit([self.seed_df, self.image_df], 1 - level / 2)
        return math.sqrt(seeds**2 * self.seed_variance + images**2 * self.image_variance)

    @property
    def interval(self) -> Interval:
        """The 95% interval of the difference over other seeds and other images."""
        half = self.half_width()
        return Interval(self.difference - half, self.difference + half)

    @property
    def p(self) -> float:
        """The level at which the interval just reaches zero."""
        from scipy import optimize

        def excess(log_level: float) -> float:
            return self.half_width(math.exp(log_level)) - abs(self.difference)

        smallest = math.log(1e-12)
        if self.difference == 0 or excess(0.0) >= 0:
            return 1.0
        if excess(smallest) <= 0:
            return 1e-12
        return math.exp(float(optimize.brentq(excess, smallest, 0.0)))


def seed_moments(values: Values, swing: float = 1.0) -> SeedMoments | None:
    """Moments of values of images as (seeds, images); None with one seed or no image."""
    seeds, images = values.shape
    if seeds < 2 or not images:
        return None
    shares, means = values.mean(axis=0), values.mean(axis=1)
    between = float(means.var(ddof=1))
    right_or_wrong = values.dtype == np.bool_
    spread = shares * (1 - shares) if right_or_wrong else values.var(axis=0)
    within = float(spread.mean()) * seeds / (seeds - 1)
    noise = max(within - between, 0.0)
    return SeedMoments(seeds, float(means.mean()), shares, between, noise, swing)


def seed_difference(first: SeedMoments, second: SeedMoments) -> SeedDifference:
    """The first network's mean metric minus the second's, with both variances.

    The variance of the images counts two more: half an image for
    each of right and wrong with either network (Agresti and Min 2005, Statistics in Medicine
    24:729-740). So a few images that all agree are no certainty. For other metrics the two differ
    by what one image can change (`swing`).
    """
    parts = [(m.between / m.seeds, m.seeds - 1) for m in (first, second)]
    paired = first.shares - second.shares
    own = first.noise / first.seeds + second.noise / second.seeds
    return SeedDifference(
        difference=first.mean - second.mean,
        seed_variance=sum(part for part, _ in parts),
        seed_df=_seed_df(parts),
        image_variance=image_variance(paired, max(first.swing, second.swing), own),
        image_df=max(len(paired) - 1.0, 1.0),
    )


def image_variance(
    paired: np.ndarray[Any, np.dtype[np.float64]], swing: float, own: float = 0.0
) -> float:
    """Variance over images of the mean of paired differences, without what seeds have of their own.

    Two more images differ by the root of `swing`, one in each direction with half its weight.
    """
    images = len(paired) + 2
    variance = (float(paired @ paired) + swing) / images - (float(paired.sum()) / images) ** 2
    return max(variance - own, 0.0) / images


def _seed_df(parts: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom of the seeds, from (variance of a mean, seeds - 1) of both networks.

    Networks differ in how much their seeds scatter. Welch's degrees of freedom (1947, Biometrika
    34:28-35) still gave 5.8% false leads with few seeds. So the network that scatters less adds
    its own only in proportion to its variance.
    """
    (less, own), (more, others) = sorted(parts)
    if more == 0:
        return float(min(own, others))
    welch = (less + more) ** 2 / (less**2 / own + more**2 / others)
    return min(welch, others + own * less / more)
