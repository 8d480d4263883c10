"""Pairwise tests of networks on the same test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis import bootstrap, statistics
from orchestrator.analysis.statistics import Interval

LEVEL = 0.05
Right = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class PairwiseTest:
    """The test of two networks on `images` images. Counts are from their first common seed.

    `p` is McNemar's exact p-value (combined over seeds, see `statistics.over_seeds`), `p_holm`
    corrected for the number of pairs. `difference` is the first's mean accuracy minus the second's,
    with its bootstrap interval.
    """

    first: str
    second: str
    images: int
    seeds: int
    only_first: int
    only_second: int
    p: float
    p_holm: float
    difference: float
    interval: Interval

    @property
    def significant(self) -> bool:
        """Whether the difference is statistically significant: corrected p-value below `LEVEL`.

        With several seeds, the interval over seeds and images must exclude zero as well.
        """
        return self.p_holm < LEVEL and (self.seeds == 1 or self.interval.excludes_zero)

    def turned(self) -> PairwiseTest:
        """The same test with the two networks swapped."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            only_first=self.only_second,
            only_second=self.only_first,
            difference=-self.difference,
            interval=Interval(-self.interval.high, -self.interval.low),
        )


def pairwise_tests(right: Mapping[str, Right]) -> tuple[PairwiseTest, ...]:
    """Test each pair, in the given order; rows of (seeds, images) say which images were correct.

    All networks must have predicted the same images; row i of each is paired with row i of the
    others.
    """
    if len(right) < 2 or not next(iter(right.values())).shape[1]:
        return ()
    drawn = bootstrap.resampled(right)
    fought = [_pairwise_test(a, b, right[a], right[b], drawn) for a, b in combinations(right, 2)]
    corrected = statistics.holm([paired_test.p for paired_test in fought])
    return tuple(
        replace(paired_test, p_holm=p) for paired_test, p in zip(fought, corrected, strict=True)
    )


def find_pair(found: Sequence[PairwiseTest], first: str, second: str) -> PairwiseTest | None:
    """The test of these two networks, in this order; None if there is none."""
    for paired_test in found:
        if (paired_test.first, paired_test.second) == (first, second):
            return paired_test
        if (paired_test.first, paired_test.second) == (second, first):
            return paired_test.turned()
    return None


def _pairwise_test(
    first: str, second: str, ours: Right, theirs: Right, drawn: Mapping[str, bootstrap.Drawn]
) -> PairwiseTest:
    seeds = min(len(ours), len(theirs))
    counts = [
        (int((ours[s] & ~theirs[s]).sum()), int((theirs[s] & ~ours[s]).sum())) for s in range(seeds)
    ]
    p = statistics.over_seeds([statistics.mcnemar(*pair) for pair in counts])
    difference = float(ours.mean(axis=1).mean() - theirs.mean(axis=1).mean())
    return PairwiseTest(
        first,
        second,
        ours.shape[1],
        seeds,
        *counts[0],
        p,
        p,
        difference,
        bootstrap.difference(drawn[first], drawn[second]),
    )
