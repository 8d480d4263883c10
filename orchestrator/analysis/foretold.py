"""How well a ranking by frozen features foretold the order of the trained networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis import bootstrap
from orchestrator.analysis.best_settings import compare_settings
from orchestrator.analysis.image_values import Values
from orchestrator.analysis.load_rankings import StoredRanking, identity
from orchestrator.analysis.ranking import draw, members_of, right_of
from orchestrator.analysis.run_data import RunData

Drawn = np.ndarray[Any, Any]
FEWEST = 2


@dataclass(frozen=True, slots=True)
class ForetoldNetwork:
    """A network: its probe accuracy and the leading metric after training, and its rank in both."""

    backbone: str
    probe_accuracy: float
    rank: float
    value: float
    trained_rank: float


@dataclass(frozen=True, slots=True)
class Foretold:
    """Kendall's tau between a ranking and the trained networks, with its 95% interval.

    The interval is over images: those of the ranking and the test images are drawn anew, for these
    networks. `run` is the ranking's, and `seconds` what it took for these networks.
    """

    run: str
    period: int
    images: int
    seconds: float
    tau: float
    low: float
    high: float
    networks: tuple[ForetoldNetwork, ...]

    @property
    def pairs(self) -> int:
        """How many pairs of networks there are."""
        return math.comb(len(self.networks), 2)

    @property
    def tied_pairs(self) -> int:
        """Pairs that share a rank before or after training."""
        return sum(
            one.rank == other.rank or one.trained_rank == other.trained_rank
            for one, other in combinations(self.networks, 2)
        )


def foretold(run_data: RunData, values: Mapping[str, Values]) -> Foretold | None:
    """Compare the ranking that has most of the run's networks, the latest of several.

    `values` are those of the test images by network, as (seeds, images). None without a ranking
    of at least two of them.
    """
    labels = _labels(run_data, values)
    shared = [[name for name in labels if name in one.rows] for one in run_data.rankings]
    most = max(map(len, shared), default=0)
    if most < FEWEST:
        return None
    place = max(number for number, names in enumerate(shared) if len(names) == most)
    ranking, names = run_data.rankings[place], shared[place]
    return _compared(run_data, ranking, {labels[name]: name for name in names}, values)


def _labels(run_data: RunData, values: Mapping[str, Values]) -> dict[str, str]:
    """The label of each pretrained network by its identity; in a grid the best by validation."""
    tested = {one.backbone for one in run_data.comparison.at(run_data.period) if one.lead}
    worse = {one.backbone for one in compare_settings(run_data) if not one.best}
    labels = {
        identity(trial): run_data.label(name)
        for name, trial in run_data.trials.items()
        if run_data.label(name) not in worse
    }
    return {key: label for key, label in labels.items() if label in tested and label in values}


def _compared(
    run_data: RunData,
    ranking: StoredRanking,
    names: Mapping[str, str],
    values: Mapping[str, Values],
) -> Foretold:
    sign, rows = run_data.metric.sign, [ranking.rows[name] for name in names.values()]
    probes = np.array([row["probe_accuracy"] for row in rows])
    trained = np.array([float(values[label].mean(axis=1).mean()) for label in names])
    right = {label: right_of(ranking.answers[name]) for label, name in names.items()}
    drawn = draw(right, *members_of(ranking.answers[next(iter(names.values()))]), seed=1)
    tested = bootstrap.resampled({label: values[label] for label in names})
    taus = kendall(*(np.column_stack([one[label] for label in names]) for one in (drawn, tested)))
    low, high = np.quantile(sign * taus, [0.025, 0.975])
    before, after = _ranks(probes), _ranks(sign * trained)
    return Foretold(
        ranking.run,
        run_data.period,
        next(iter(right.values())).size,
        sum(row["feature_seconds"] + row["probe_seconds"] for row in rows),
        float(sign * kendall(probes[None], trained[None])[0]),
        float(low),
        float(high),
        tuple(
            sorted(
                (
                    ForetoldNetwork(label, *map(float, facts))
                    for label, *facts in zip(names, probes, before, trained, after, strict=True)
                ),
                key=lambda one: one.rank,
            )
        ),
    )


def _ranks(values: Sequence[float] | Drawn) -> Drawn:
    """The rank of each value, 1 for the highest; equal ones share the mean of theirs."""
    from scipy import stats

    ranks: Drawn = stats.rankdata(-np.asarray(values))
    return ranks


def kendall(first: Drawn, second: Drawn) -> Drawn:
    """Kendall's tau-b of each row of two arrays (rows, networks); 0 where all are equal in one.

    As `scipy.stats.kendalltau` (Kendall 1945, Biometrika 33:239-251), for thousands of rows at
    once.
    """
    lower, upper = np.triu_indices(first.shape[1], 1)
    ours, theirs = (np.sign(each[:, lower] - each[:, upper]) for each in (first, second))
    untied = np.sqrt(np.abs(ours).sum(1) * np.abs(theirs).sum(1))
    tau: Drawn = (ours * theirs).sum(1) / np.maximum(untied, 1e-12)
    return tau
