"""Pairwise tests of networks on the same test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from orchestrator.analysis import bootstrap, statistics
from orchestrator.analysis.seed_intervals import (
    LEVEL,
    Right,
    SeedMoments,
    seed_difference,
)
from orchestrator.analysis.statistics import Interval


@dataclass(frozen=True, slots=True)
class PairwiseTest:
    """The test of two networks on `images` images. Counts are from their first common seed.

    `p` is McNemar's exact p-value (combined over seeds, see `statistics.over_seeds`), `p_holm`
    corrected for the number of pairs. `difference` is the first's mean accuracy minus the second's,
    with its bootstrap interval. `seed_interval`, `p_seeds` and `p_seeds_holm` count seeds and
    images (see `seed_intervals`); None unless both networks have several seeds.
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
    seed_interval: Interval | None = None
    p_seeds: float | None = None
    p_seeds_holm: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the difference is statistically significant: corrected p-value below `LEVEL`.

        With several seeds it is the p-value over seeds and images; with one, McNemar's, which
        knows the images only.
        """
        p = self.p_holm if self.seeds == 1 else self.p_seeds_holm
        return p is not None and p < LEVEL

    @property
    def first_wins(self) -> bool:
        """Whether the first network is better, by the uncorrected interval over seeds and images.

        With one seed, by McNemar's corrected p-value on these images.
        """
        if self.seeds == 1:
            return self.significant and self.difference > 0
        return self.seed_interval is not None and self.seed_interval.low > 0

    def turned(self) -> PairwiseTest:
        """The same test with the two networks swapped."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            only_first=self.only_second,
            only_second=self.only_first,
            difference=-self.difference,
            interval=self.interval.turned(),
            seed_interval=self.seed_interval.turned() if self.seed_interval else None,
        )


def pairwise_tests(
    right: Mapping[str, Right], moments: Mapping[str, SeedMoments | None]
) -> tuple[PairwiseTest, ...]:
    """Test each pair, in the given order; rows of (seeds, images) say which images were correct.

    `moments` are those of the same networks (`seed_intervals.all_moments`).

    All networks must have predicted the same images; row i of each is paired with row i of the
    others.
    """
    if len(right) < 2 or not next(iter(right.values())).shape[1]:
        return ()
    drawn = bootstrap.resampled(right)
    tests = [
        _over_seeds(_pairwise_test(a, b, right[a], right[b], drawn), moments[a], moments[b])
        for a, b in combinations(right, 2)
    ]
    corrected = statistics.holm([test.p for test in tests])
    known = [test.p_seeds for test in tests if test.p_seeds is not None]
    over_seeds = iter(statistics.holm(known))
    return tuple(
        replace(
            test,
            p_holm=p,
            p_seeds_holm=None if test.p_seeds is None else next(over_seeds),
        )
        for test, p in zip(tests, corrected, strict=True)
    )


def find_pair(paired_tests: Sequence[PairwiseTest], first: str, second: str) -> PairwiseTest | None:
    """The test of these two networks, in this order; None if there is none."""
    for paired_test in paired_tests:
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


def _over_seeds(
    test: PairwiseTest, first: SeedMoments | None, second: SeedMoments | None
) -> PairwiseTest:
    """The test with its interval and p-value over seeds and images, where there are any."""
    if first is None or second is None:
        return test
    difference = seed_difference(first, second)
    return replace(test, seed_interval=difference.interval, p_seeds=difference.p)
