"""Each network between runs that are tested on the same images: its trials compared in pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis.common_settings import CommonSetting
from orchestrator.analysis.compared_run import ComparedRun, Contestant
from orchestrator.analysis.image_values import NetworkValues, values_of_answers
from orchestrator.analysis.p_values import holm
from orchestrator.analysis.pairwise import PairwiseTest, pairwise_tests
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.seed_intervals import all_moments
from orchestrator.analysis.tested_images import RunImages

Settings = Mapping[str, Mapping[str, CommonSetting]]
"""By run, the common setting of each of its own labels."""
Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkAcross:
    """A network of one run against the same network of another.

    The test's `p_holm` is corrected over all such tests of a report.
    """

    first: Contestant
    second: Contestant
    test: PairwiseTest

    @property
    def backbone(self) -> str:
        """The network."""
        return self.first.common.backbone


def across(
    sides: Sequence[ComparedRun],
    images: Sequence[RunImages],
    tested_on: Sequence[int],
    settings: Settings,
) -> tuple[NetworkAcross, ...]:
    """Pairwise tests of each network between runs that are tested on the same images.

    They show whether the differences between the runs affect the leading metric. Trials of one run
    are compared in its own report; a trial that several runs hold is no pair with itself.
    """
    groups: dict[tuple[str, int], list[Contestant]] = defaultdict(list)
    for one in contestants(sides, tested_on, settings):
        groups[one.common.backbone, one.tested_on].append(one)
    of_side = {side.name: paths for side, paths in zip(sides, images, strict=True)}
    tests = [test for several in groups.values() for test in _tests(several, of_side)]
    corrected = holm([one.test.p for one in tests])
    return tuple(
        replace(one, test=replace(one.test, p_holm=p))
        for one, p in zip(tests, corrected, strict=True)
    )


def contestants(
    sides: Sequence[ComparedRun], tested_on: Sequence[int], settings: Settings
) -> list[Contestant]:
    """The first seed of each network and setting of each run, those that are the same once."""
    known: dict[tuple[str, int], Contestant] = {}
    for side, images in zip(sides, tested_on, strict=True):
        for label, given in side.analysis.first.items():
            key = _trial_and_epoch(side, given)
            common = settings[side.name][label]
            one = known.get(key) or Contestant((), common, key[1], images, side, given)
            known[key] = replace(one, runs=(*one.runs, side.name))
    return list(known.values())


def _trial_and_epoch(side: ComparedRun, given: TrialPredictions) -> tuple[str, int]:
    answers = side.run_data.predictions.answers
    return next(key for key, one in answers.items() if one is given)


def _tests(
    several: Sequence[Contestant], images: Mapping[str, RunImages]
) -> Iterator[NetworkAcross]:
    """The tests of one network on the same images, every two of different runs."""
    held = {(run, one.common.contender) for one in several for run in one.runs}
    pairs = [pair for pair in combinations(several, 2) if _comparable(*pair, held)]
    if not pairs:
        return
    values = _values(several, images)
    names = {id(one): str(place) for place, one in enumerate(several)}
    told = [pair for pair in pairs if all(names[id(one)] in values.networks for one in pair)]
    wanted = [(names[id(one)], names[id(other)]) for one, other in told]
    better = several[0].side.run_data.metric.higher_is_better
    moments = all_moments(values.networks)
    tests = pairwise_tests(values.networks, moments, better, wanted, values.counted)
    for (one, other), test in zip(told, tests, strict=bool(tests)):
        yield NetworkAcross(one, other, replace(test, first=one.runs[0], second=other.runs[0]))


def _comparable(one: Contestant, other: Contestant, held: Set[tuple[str, str]]) -> bool:
    """Whether no run holds both, and they differ in more than the seed.

    Where both sides have the same value of what varies within a run, like is compared with like;
    `held` are all runs with these values.
    """
    if not set(one.runs).isdisjoint(other.runs):
        return False
    if one.common.label == other.common.label:
        return one.epoch != other.epoch
    ours, theirs = one.common.contender, other.common.contender
    both = {(run, ours) for run in other.runs} | {(run, theirs) for run in one.runs}
    return ours == theirs or both.isdisjoint(held)


def _values(several: Sequence[Contestant], images: Mapping[str, RunImages]) -> NetworkValues:
    """Values by place of those that tell them, for the images that all of them answered."""
    order = list(images[several[0].side.name].test)
    places = {one.side.name: _places(one.side, images[one.side.name], order) for one in several}
    answered = np.ones(len(order), np.bool_)
    for one in several:
        at = places[one.side.name]
        answered &= (at >= 0) & (one.given.predicted[at] >= 0)
    answers = {
        str(place): [
            one.side.run_data.predictions.together([one.given], places[one.side.name][answered])
        ]
        for place, one in enumerate(several)
    }
    return values_of_answers(several[0].side.run_data.metric, answers)


def _places(side: ComparedRun, images: RunImages, order: Sequence[Any]) -> Places:
    """Where each of these test images is among a run's predictions; -1 where it is not."""
    at = {image: place for place, image in enumerate(side.run_data.predictions.images)}
    return np.array([at.get(images.test.get(key, ""), -1) for key in order], np.int64)
