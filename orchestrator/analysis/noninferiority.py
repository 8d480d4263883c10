"""Whether a network is at most a margin worse than the leader: paired non-inferiority.

The null hypothesis is that it is worse by the margin or more; the test is one-sided (Wellek 2010,
Testing Statistical Hypotheses of Equivalence and Noninferiority, chapter 2). The variances are
those of the paired comparison (`seed_intervals`); with one seed, that of the images only. Over
several splits it is that of the corrected resampled t-test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jobs.errors import RequestError
from jobs.statistics.interval import LEVEL
from jobs.statistics.seed_intervals import (
    SeedDifference,
    SeedMoments,
    image_variance,
    seed_difference,
)
from orchestrator.analysis.image_values import NetworkValues
from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.p_values import holm
from orchestrator.analysis.resampled import Mean


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """A network against the leader, in the unit of the metric.

    `gain` is how much better it is; below zero: worse. With 95% confidence it is not below `bound`.
    `p_holm` is corrected for the number of networks.
    """

    backbone: str
    reference: str
    margin: float
    gain: float
    bound: float
    p: float
    p_holm: float

    @property
    def shown(self) -> bool:
        """Whether it is shown to be at most the margin worse."""
        return self.p_holm < LEVEL


def margin_of(points: float, metric: Metric) -> float:
    """The margin in the unit of the metric; raises `RequestError` for one that means nothing."""
    share = metric.form == "share"
    if not math.isfinite(points) or points <= 0 or (share and points >= 100):
        needs = (
            "a number of percentage points above 0 and below 100" if share else "a number above 0"
        )
        raise RequestError(f"--margin {points:g}: {needs} is needed for {metric.option}.")
    return points / 100 if share else points


def noninferiority(
    values: NetworkValues,
    moments: Mapping[str, SeedMoments | None],
    reference: str,
    margin: float,
    sign: int,
) -> tuple[NonInferiority, ...]:
    """Test every other network against the reference; none where predictions do not tell."""
    if reference not in values.networks:
        return ()
    tests = []
    for name in values.networks:
        if name != reference:
            against = _difference(values, moments, name, reference)
            gain = replace(against, difference=sign * against.difference)
            bound = gain.difference - gain.half_width(2 * LEVEL)
            p = _one_sided(replace(gain, difference=gain.difference + margin))
            tests.append(NonInferiority(name, reference, margin, gain.difference, bound, p, p))
    return _corrected(tests)


def noninferior_over_splits(
    gains: Mapping[str, Mean], reference: str, margin: float
) -> tuple[NonInferiority, ...]:
    """Test every network by how much better than the reference it is, a mean over splits.

    The test is Student's with the variance of the corrected resampled t-test (`resampled`).
    """
    from scipy import special

    tests = []
    for name, gain in gains.items():
        bound = gain.value - float(special.stdtrit(gain.df, 1 - LEVEL)) * gain.error
        p = float(special.stdtr(gain.df, -(gain.value + margin) / gain.error))
        tests.append(NonInferiority(name, reference, margin, gain.value, bound, p, p))
    return _corrected(tests)


def _corrected(tests: Sequence[NonInferiority]) -> tuple[NonInferiority, ...]:
    """The tests with p-values corrected for their number."""
    corrected = holm([test.p for test in tests])
    return tuple(replace(test, p_holm=p) for test, p in zip(tests, corrected, strict=True))


def _difference(
    values: NetworkValues, moments: Mapping[str, SeedMoments | None], name: str, reference: str
) -> SeedDifference:
    """The network's metric minus the reference's, over seeds and images or over images alone."""
    first, second = moments.get(name), moments.get(reference)
    if first is not None and second is not None:
        return seed_difference(first, second)
    ours, theirs = (values.networks[each].mean(axis=0) for each in (name, reference))
    paired = np.asarray(ours - theirs, float)
    variance, df = image_variance(paired, values.swing), max(len(paired) - 1.0, 1.0)
    return SeedDifference(float(paired.mean()), 0.0, 1.0, variance, df)


def _one_sided(shifted: SeedDifference) -> float:
    """P-value of the alternative that the difference is above zero."""
    return shifted.p / 2 if shifted.difference > 0 else 1 - shifted.p / 2
