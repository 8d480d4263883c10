"""Pairwise tests of networks on the same test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from jobs.statistics.interval import LEVEL, Interval
from jobs.statistics.mcnemar import mcnemar
from jobs.statistics.seed_intervals import SeedMoments, seed_difference
from orchestrator.analysis import bootstrap, p_values, sign_flips
from orchestrator.analysis.exchanges import CountedAnswers
from orchestrator.analysis.image_values import Values


@dataclass(frozen=True, slots=True)
class PairwiseTest:
    """The test of two networks on `images` images.

    Counts are of images that only one has right, with their first common seed; None where images
    are not right or wrong. `p` is that of McNemar's exact test where they are, else of random
    exchanges of the two (`exchanges`, `sign_flips`); combined over seeds (see
    `p_values.over_seeds`). `p_holm` is corrected for the number of pairs. `difference` is the
    first's mean metric minus the second's, with its bootstrap interval. `seed_interval`, `p_seeds`
    and `p_seeds_holm` count seeds and images (see `seed_intervals`); None unless both networks have
    several seeds. With several splits `seeds` counts these, and all intervals and p-values are over
    them (`resampled`).
    """

    first: str
    second: str
    images: int
    seeds: int
    only_first: int | None
    only_second: int | None
    p: float
    p_holm: float
    difference: float
    interval: Interval
    seed_interval: Interval | None = None
    p_seeds: float | None = None
    p_seeds_holm: float | None = None
    higher_is_better: bool = True
    method: str = "mcnemar"

    @property
    def gain(self) -> float:
        """How much better the first network is; below zero: worse."""
        return self.difference if self.higher_is_better else -self.difference

    @property
    def significant(self) -> bool:
        """Whether the difference is statistically significant: corrected p-value below `LEVEL`.

        With several seeds it is the p-value over seeds and images; with one, that which
        knows the images only.
        """
        p = self.p_holm if self.seeds == 1 else self.p_seeds_holm
        return p is not None and p < LEVEL

    @property
    def first_wins(self) -> bool:
        """Whether the first network is better, by the uncorrected interval over seeds and images.

        With one seed, by the corrected p-value on these images.
        """
        if self.seeds == 1:
            return self.significant and self.gain > 0
        if self.seed_interval is None:
            return False
        return self.seed_interval.low > 0 if self.higher_is_better else self.seed_interval.high < 0

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
    values: Mapping[str, Values],
    moments: Mapping[str, SeedMoments | None],
    higher_is_better: bool = True,
    wanted: Sequence[tuple[str, str]] | None = None,
    counted: CountedAnswers | None = None,
) -> tuple[PairwiseTest, ...]:
    """Test each pair, or those `wanted`, by the values of images as (seeds, images).

    Booleans say which images were right (`image_values`). `moments` are those of the same networks
    (`seed_intervals.all_moments`), `counted` their answers where the metric is of counts by class.

    All networks must have predicted the same images; row i of each is paired with row i of the
    others.
    """
    if len(values) < 2 or not next(iter(values.values())).shape[1]:
        return ()
    pairs = list(combinations(values, 2)) if wanted is None else wanted
    drawn = bootstrap.resampled(values)
    exact = all(rows.dtype == np.bool_ for rows in values.values())
    exchanged = None if exact else _exchanges(values, len(pairs), counted)
    tests = []
    for a, b in pairs:
        seeds = min(len(values[a]), len(values[b]))
        test = PairwiseTest(
            a,
            b,
            images=values[a].shape[1],
            seeds=seeds,
            difference=float(values[a].mean(axis=1).mean() - values[b].mean(axis=1).mean()),
            interval=bootstrap.difference(drawn[a], drawn[b]),
            higher_is_better=higher_is_better,
            **(
                _permuted([exchanged(a, b, seed) for seed in range(seeds)])
                if exchanged
                else _mcnemar(values[a], values[b], seeds)
            ),
        )
        tests.append(_over_seeds(test, moments[a], moments[b]))
    return corrected(tests)


def corrected(tests: Sequence[PairwiseTest]) -> tuple[PairwiseTest, ...]:
    """The tests with p-values corrected for their number."""
    of_images = p_values.holm([test.p for test in tests])
    known = [test.p_seeds for test in tests if test.p_seeds is not None]
    over_seeds = iter(p_values.holm(known))
    return tuple(
        replace(
            test,
            p_holm=p,
            p_seeds_holm=None if test.p_seeds is None else next(over_seeds),
        )
        for test, p in zip(tests, of_images, strict=True)
    )


def find_pair(paired_tests: Sequence[PairwiseTest], first: str, second: str) -> PairwiseTest | None:
    """The test of these two networks, in this order; None if there is none."""
    for paired_test in paired_tests:
        if (paired_test.first, paired_test.second) == (first, second):
            return paired_test
        if (paired_test.first, paired_test.second) == (second, first):
            return paired_test.turned()
    return None


def _mcnemar(ours: Values, theirs: Values, seeds: int) -> dict[str, Any]:
    """McNemar's test, and the images that only one network has right."""
    counts = [
        (int((ours[s] & ~theirs[s]).sum()), int((theirs[s] & ~ours[s]).sum())) for s in range(seeds)
    ]
    p = p_values.over_seeds([mcnemar(*pair) for pair in counts])
    return {"only_first": counts[0][0], "only_second": counts[0][1], "p": p, "p_holm": p}


def _exchanges(
    values: Mapping[str, Values], pairs: int, counted: CountedAnswers | None
) -> Callable[[str, str, int], float]:
    """The p-value of two networks at a seed, by random exchanges of their answers."""
    if counted is not None:
        return lambda first, second, seed: counted.p_value(first, second, seed, pairs)
    flipped = sign_flips.flip_signs(values, pairs)
    return lambda first, second, seed: sign_flips.p_value(
        flipped[first][:, seed], flipped[second][:, seed]
    )


def _permuted(each: Sequence[float]) -> dict[str, Any]:
    """The test by random exchanges, with a p-value of each seed."""
    p = p_values.over_seeds(each)
    return {
        "only_first": None,
        "only_second": None,
        "p": p,
        "p_holm": p,
        "method": "permutation",
    }


def _over_seeds(
    test: PairwiseTest, first: SeedMoments | None, second: SeedMoments | None
) -> PairwiseTest:
    """The test with its interval and p-value over seeds and images, where there are any."""
    if first is None or second is None:
        return test
    difference = seed_difference(first, second)
    return replace(test, seed_interval=difference.interval, p_seeds=difference.p)
