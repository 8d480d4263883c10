"""Statistics of shares: intervals, spreads, paired tests, corrections."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.statistics.interval import Interval

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95% interval."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over n seeds, sample deviation (n - 1), 95% t interval; one seed has the mean only."""

    mean: float
    deviation: float | None
    n: int
    interval: Interval | None = None


def wilson(correct: float, total: float, z: float = Z95) -> Interval:
    """Score interval of a share, without continuity correction (Wilson 1927, JASA 22:209-212)."""
    if total == 0:
        return Interval(0.0, 1.0)
    share, fraction = correct / total, z * z / total
    middle = (share + fraction / 2) / (1 + fraction)
    half = z * math.sqrt(share * (1 - share) / total + fraction / (4 * total)) / (1 + fraction)
    low = 0.0 if correct <= 0 else middle - half
    return Interval(max(0.0, low), 1.0 if correct >= total else min(1.0, middle + half))


def spread(values: Iterable[float]) -> Spread | None:
    """Mean, sample deviation, and 95% t interval of the mean.

    The interval is Student's (1908, Biometrika 6:1-25). None without values; one value has neither
    deviation nor interval.
    """
    known = list(values)
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return Spread(mean, None, 1)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1))
    half = student(len(known) - 1) * deviation / math.sqrt(len(known))
    return Spread(mean, deviation, len(known), Interval(mean - half, mean + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test (McNemar 1947, Psychometrika 12:153-157).

    The arguments count the images that only the first, or only the second, network predicted
    correctly. Under the null hypothesis each such image is a fair coin toss, so this is a binomial
    test (`scipy.stats.binomtest`). 1 without such images.
    """
    from scipy import stats

    if only_first + only_second == 0:
        return 1.0
    fewer, more = sorted((only_first, only_second))  # else the smallest p-values differ in a bit
    return float(stats.binomtest(fewer, fewer + more, 0.5).pvalue)


def over_seeds(p_values: Sequence[float]) -> float:
    """Combine the p-values of one test at n seeds; valid under any dependence between them.

    The result is `n / k` times the k-th smallest, with k just above the middle (Rüger 1978,
    Metrika 25:171-178). A single p-value is unchanged.
    """
    n, k = len(p_values), len(p_values) // 2 + 1
    return min(1.0, sorted(p_values)[k - 1] * n / k)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values with Holm's correction for multiple tests, in the given order.

    Holm 1979, Scand. J. Statist. 6:65-70.

    The smallest of m is multiplied by m, the next by m - 1, and so on. Results never decrease in
    that order, and are at most 1. A test without a p-value (NaN) keeps none and counts as none.
    """
    corrected, largest = list(p_values), 0.0
    known = [place for place, p in enumerate(p_values) if not math.isnan(p)]
    for passed, place in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(known) - passed) * p_values[place]))
        corrected[place] = largest
    return corrected


def seed_deviation_that_voids(margin: float, interval: Interval) -> float | None:
    """Deviation over seeds that would make a one-seed lead uncertain; None if it already is.

    The variances of the test images (from the interval, assumed normal) and of two networks' seeds
    add up. The lead is within 1.96 standard errors if
    `margin < 1.96 * sqrt(images**2 + 2 * deviation**2)`.
    """
    images = (interval.high - interval.low) / (2 * Z95)
    left = (margin / Z95) ** 2 - images**2
    return math.sqrt(left / 2) if left > 0 and interval.excludes_zero else None


def student(degrees: int) -> float:
    """Student's quantile of a two-sided 95% interval."""
    from scipy import stats

    return float(stats.t.ppf(0.975, degrees))
