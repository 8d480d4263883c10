"""McNemar's exact test of two networks on the same images."""

from __future__ import annotations

from typing import Literal

Alternative = Literal["two-sided", "first-better"]


def mcnemar(only_first: int, only_second: int, alternative: Alternative = "two-sided") -> float:
    """The exact p-value of McNemar's test (McNemar 1947, Psychometrika 12:153-157).

    The arguments count the images that only the first, or only the second, network predicted
    correctly. Under the null hypothesis each such image is a fair coin toss, so this is a binomial
    test (`scipy.stats.binomtest`). 1 without such images.

    `two-sided`: one of them is better. `first-better`: the first is, so p is the probability of at
    most `only_second` heads.
    """
    tosses = only_first + only_second
    if tosses == 0:
        return 1.0
    if alternative == "first-better":
        from scipy import special

        return float(special.bdtr(only_second, tosses, 0.5))
    from scipy import stats

    fewer = min(only_first, only_second)  # else the smallest p-values differ in a bit
    return float(stats.binomtest(fewer, tosses, 0.5).pvalue)
