"""Comparison of several runs: ranks of their common networks, and each network across runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.image_values import Values, image_values
from orchestrator.analysis.p_values import holm
from orchestrator.analysis.pairwise import PairwiseTest, pairwise_tests
from orchestrator.analysis.ranks import Ranks, rank_networks
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.seed_intervals import all_moments
from orchestrator.analysis.spreads import Spread


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRun:
    """One run with its run data and analysis."""

    run_data: RunData
    analysis: Analysis

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.run_data.run.name

    @property
    def accuracy(self) -> dict[str, float]:
        """Mean test accuracy of each backbone after the compared period."""
        at = self.run_data.comparison.at(self.analysis.period)
        return {standing.backbone: standing.accuracy.mean for standing in at if standing.accuracy}

    @property
    def lead(self) -> dict[str, Spread]:
        """The leading metric of each tested backbone after the compared period."""
        at = self.run_data.comparison.at(self.analysis.period)
        return {standing.backbone: standing.lead for standing in at if standing.lead}

    @property
    def rivals(self) -> list[str]:
        """Tested backbones that learned something; all tested ones if none did."""
        return [name for name in self.run_data.rivals if name in self.lead]


@dataclass(frozen=True, slots=True)
class NetworkAcross:
    """One network in two runs: the pairwise test, and its p after Holm's correction over all."""

    backbone: str
    test: PairwiseTest
    p_holm: float


@dataclass(frozen=True, slots=True)
class RunsAnalysis:
    """Ranks over all runs (None: too few), and each network across every two runs."""

    ranks: Ranks | None
    across: tuple[NetworkAcross, ...]


def analyse_runs(sides: Sequence[ComparedRun]) -> RunsAnalysis:
    """Compare the runs once."""
    tests = across(sides)
    corrected = holm([test.p for _, test in tests])
    both = zip(tests, corrected, strict=True)
    return RunsAnalysis(rank(sides), tuple(NetworkAcross(*test, p) for test, p in both))


def rank(sides: Sequence[ComparedRun]) -> Ranks | None:
    """Ranks of the common backbones over every (run, seed) in which all were tested."""
    shared = set.intersection(*(set(side.rivals) for side in sides))
    blocks: list[dict[str, float]] = []
    for side in sides:
        metric, by_seed = side.run_data.metric, dict[Any, dict[str, float]]()
        for standing in side.run_data.comparison.at(side.analysis.period):
            for result in standing.results:
                if standing.backbone in shared and metric.name in result.metrics:
                    score = metric.sign * result.metrics[metric.name]
                    by_seed.setdefault((result.split, result.seed), {})[standing.backbone] = score
        blocks += [scores for scores in by_seed.values() if set(scores) == shared]
    return rank_networks({name: [block[name] for block in blocks] for name in shared})


def across(sides: Sequence[ComparedRun]) -> tuple[tuple[str, PairwiseTest], ...]:
    """Pairwise test of each backbone between two runs on the same prepared images.

    It shows whether the differences between the runs affect the leading metric.
    """
    tests = []
    for one, other in combinations(sides, 2):
        if one.run_data.run.data == other.run_data.run.data:
            for name in [n for n in one.analysis.first if n in other.analysis.first]:
                values = _paired(name, one, other)
                better = one.run_data.metric.higher_is_better
                pair = pairwise_tests(values, all_moments(values), better)
                tests += [(name, pair[0])] if pair else []
    return tuple(tests)


def _paired(name: str, one: ComparedRun, other: ComparedRun) -> Mapping[str, Values]:
    """Values of common images by the first seeds in both runs; none where they do not tell."""
    books = [side.run_data.predictions for side in (one, other)]
    at = {image: place for place, image in enumerate(books[1].images)}
    first, second = one.analysis.first[name], other.analysis.first[name]
    pairs = [
        (i, at[image])
        for i, image in enumerate(books[0].images)
        if image in at and first.predicted[i] >= 0 and second.predicted[at[image]] >= 0
    ]
    places = np.array(pairs, np.int64).reshape(-1, 2)
    values = {
        side.name: image_values(side.run_data.metric, book.together([given], places[:, place]))
        for place, (side, book, given) in enumerate(
            zip((one, other), books, (first, second), strict=True)
        )
    }
    return {run: rows[None] for run, rows in values.items() if rows is not None}
