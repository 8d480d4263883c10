"""Means with their spread over seeds, and Wilson's and Student's intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
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


def student(degrees: int) -> float:
    """Student's quantile of a two-sided 95% interval."""
    from scipy import stats

    return float(stats.t.ppf(0.975, degrees))
