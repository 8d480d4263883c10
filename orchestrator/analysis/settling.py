"""What would tell the leader from the next network that it does not beat.

Computed from the power of the report's own tests (`analysis.power`), as if the observed difference
and disagreement were the true ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

import numpy as np

from orchestrator.analysis.image_values import Values, values_of_networks
from orchestrator.analysis.leader import LeaderVerdict
from orchestrator.analysis.pairwise import PairwiseTest, find_pair
from orchestrator.analysis.power import ASSUMED_NOISE, Power
from orchestrator.analysis.run_data import RunData

SPLITS = 5
"""The number of splits that is proposed to a run with one."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What would show the `difference` of accuracy (a share) that was seen between two networks.

    `images` are the test images of a split now, and `enough_images` those that would show it; None
    beyond ten million, or where it is zero. `enough_seeds` would show it on the images of now, None
    beyond 20 or with one seed. `visible` is the least difference that is found now, and
    `visible_with_splits` that with so many `splits`. `disagreement` is the share of images that
    only one of the two predicted correctly, and `noise` that of two seeds of one network;
    `noise_measured` is false where it was assumed to be half as large.
    """

    first: str
    second: str
    difference: float
    pairs: int
    images: int
    enough_images: int | None
    enough_seeds: int | None
    visible: float | None
    splits: int
    visible_with_splits: float | None
    disagreement: float
    noise: float
    noise_measured: bool

    @property
    def splits_suffice(self) -> bool:
        """Whether so many splits would show the difference."""
        return self.visible_with_splits is not None and self.visible_with_splits <= self.difference


def settling(
    run_data: RunData, tests: Sequence[PairwiseTest], verdict: LeaderVerdict | None
) -> Settling | None:
    """What would settle it; None where the leader beats the next, or accuracy does not lead."""
    lead = run_data.leader
    if lead is None or verdict is None or run_data.metric.name != "accuracy":
        return None
    first = lead.ranking[0].backbone
    close = [each.backbone for each in lead.ranking[1:] if each.backbone in verdict.alike]
    test = find_pair(tests, first, close[0]) if close else None
    told = _power(run_data, test, len(tests)) if test else None
    if test is None or told is None:
        return None
    power, measured = told
    several = max(run_data.run.spec.splits, SPLITS)
    over = replace(power, splits=several, ratio=_ratio(run_data))
    seen = abs(test.difference)
    enough = (power.images_for(seen), power.seeds_for(seen)) if seen else (None, None)
    if power.visible is not None and power.visible <= seen:  # seeds scatter more than expected
        enough = (None, power.seeds + 1)
    return Settling(
        first=first,
        second=test.second,
        difference=seen,
        pairs=power.pairs,
        images=power.images,
        enough_images=enough[0],
        enough_seeds=enough[1] if power.seeds > 1 else None,
        visible=power.visible,
        splits=several,
        visible_with_splits=over.least(over.images, over.seeds),
        disagreement=power.disagreement,
        noise=power.noise,
        noise_measured=measured,
    )


def _power(run_data: RunData, test: PairwiseTest, pairs: int) -> tuple[Power, bool] | None:
    """The power of the run's tests for such a pair, and whether the noise of seeds was measured."""
    parts = [
        rights
        for part in (run_data.splits.values() or [run_data])
        if len(rights := _right(part, (test.first, test.second))) == 2
    ]
    if not parts or not test.images:
        return None
    disagreement = fmean(_disagreement(*rights) for rights in parts)
    seeds = [noise for rights in parts for each in rights for noise in _between_seeds(each)]
    noise = min(fmean(seeds), disagreement) if seeds else ASSUMED_NOISE * disagreement
    spec = run_data.run.spec
    ratio = _ratio(run_data) if run_data.splits else 0.0
    between = fmean(_scatter(*rights) for rights in parts)
    power = Power(test.images, pairs, spec.seeds, disagreement, noise, spec.splits, ratio, between)
    return power, bool(seeds)


def _right(part: RunData, names: Sequence[str]) -> list[Values]:
    """Which images each of these networks has right, as (seeds, images); empty where unknown."""
    answered = {name: part.answers(name, part.period) for name in names}
    known = {name: given for name, given in answered.items() if given}
    values = values_of_networks(part.metric, part.predictions, known).networks
    return [values[name] for name in names if name in values and values[name].dtype == np.bool_]


def _disagreement(ours: Values, theirs: Values) -> float:
    """The share of images that only one has right, over the seeds that both have."""
    seeds = min(len(ours), len(theirs))
    return float((ours[:seeds] ^ theirs[:seeds]).mean())


def _between_seeds(right: Values) -> list[float]:
    """The same of every two seeds of one network."""
    return [float((one ^ other).mean()) for one, other in combinations(right, 2)]


def _scatter(ours: Values, theirs: Values) -> float:
    """The variance over seeds of the difference of two trainings; 0 with one seed."""
    return sum(
        float(each.mean(axis=1).var(ddof=1)) if len(each) > 1 else 0.0 for each in (ours, theirs)
    )


def _ratio(run_data: RunData) -> float:
    """Test images for each training image; the first split's of several."""
    part = next(iter(run_data.splits.values()), run_data)
    counts = part.images_by_class.values()
    train = sum(count.get("train", 0) for count in counts)
    return part.test_images / max(train, 1)
