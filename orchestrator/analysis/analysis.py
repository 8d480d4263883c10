"""The analysis of a run: tests, ranks, calibration, agreement and cost, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis import examples
from orchestrator.analysis.agreement import Agreement, agree
from orchestrator.analysis.calibration import Calibration, calibrate
from orchestrator.analysis.cost import Cost, network_costs
from orchestrator.analysis.leader import LeaderVerdict, judge_leader
from orchestrator.analysis.overfitting import OverfittingAdvice, advise
from orchestrator.analysis.pairwise import PairwiseTest, pairwise_tests
from orchestrator.analysis.per_class import ClassMetrics, Confusion, class_metrics, confusions
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.ranks import Ranks, rank_networks
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.timeline import Timeline, build_timeline
from orchestrator.report.sections import confusion

TOP = 5
CONFUSED_PAIRS = 6


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis after `period`; `first` holds predictions of the first seed of each backbone."""

    period: int
    epoch: int
    first: Mapping[str, TrialPredictions]
    asked: examples.Examples
    paired_tests: tuple[PairwiseTest, ...]
    verdict: LeaderVerdict | None
    ranks: Ranks | None
    matrices: Mapping[tuple[str, int], Any]
    by_class: Mapping[str, list[ClassMetrics]]
    confused: tuple[Confusion, ...]
    calibration: Mapping[str, Calibration]
    agreement: tuple[Agreement, ...]
    top: Mapping[str, float]
    costs: tuple[Cost, ...]
    stopping: tuple[OverfittingAdvice, ...]
    timeline: Timeline


def analyse(evidence: RunData) -> Analysis:
    """Analyse run data that was read once from the store."""
    period, book, names = evidence.period, evidence.book, evidence.comparison.backbones
    answered = {name: found for name in names if (found := evidence.answers(name, period))}
    first = {name: found[0] for name, found in answered.items()}
    asked, fought = (
        examples.collect_examples(book, first),
        pairwise_tests(_right(evidence, answered)),
    )
    whose = {name: (trial.backbone, trial.seed) for name, trial in evidence.trials.items()}
    counted = {
        (name, p): matrix
        for name in names
        for p in sorted({*evidence.periods, period})
        if (matrix := confusion.counts(evidence, name, p)) is not None
    }
    now = {name: counted[name, period] for name in names if (name, period) in counted}
    pooled = sum(now.values(), np.zeros((len(book.classes),) * 2, np.int64))
    places = np.array(asked.order, np.int64)
    rows = evidence.comparison.epochs
    return Analysis(
        period,
        evidence.run.epoch_of(period),
        first,
        asked,
        fought,
        judge_leader(evidence.lead, fought) if evidence.lead else None,
        _ranks(evidence),
        counted,
        {name: class_metrics(counts, book.classes) for name, counts in now.items()},
        tuple(confusions(pooled, book.classes, CONFUSED_PAIRS)),
        _calibration(evidence, answered),
        tuple(
            agree(a, b, first[a].predicted[places], first[b].predicted[places], book.labels[places])
            for a, b in combinations(first, 2)
        ),
        _top(answered),
        tuple(network_costs(evidence.comparison, period, len(book.classes), evidence.trainings)),
        tuple(
            advice
            for trial in evidence.trials
            if (advice := advise([r for r in rows if r.trial == trial]))
        ),
        build_timeline(evidence.attempts, whose, evidence.states),
    )


def _right(evidence: RunData, answered: Mapping[str, list[TrialPredictions]]) -> dict[str, Any]:
    """Correct predictions as (seeds, images), on the images that all backbones predicted."""
    every = [one.predicted >= 0 for found in answered.values() for one in found]
    common = np.logical_and.reduce(every) if every else np.zeros(0, bool)
    return {
        name: np.stack([evidence.book.right(one)[common] for one in found])
        for name, found in answered.items()
    }


def _ranks(evidence: RunData) -> Ranks | None:
    """Ranks with seeds as blocks; only seeds for which every tested backbone has a test."""
    scores = {
        standing.backbone: {r.seed: r.tested.accuracy for r in standing.results if r.tested}
        for standing in evidence.comparison.at(evidence.period)
        if standing.tests
    }
    seeds = sorted(set.intersection(*(set(found) for found in scores.values()))) if scores else []
    return rank_networks({name: [found[seed] for seed in seeds] for name, found in scores.items()})


def _calibration(
    evidence: RunData, answered: Mapping[str, list[TrialPredictions]]
) -> dict[str, Calibration]:
    """Calibration over all seeds."""
    measured = {}
    for name, found in answered.items():
        given = [one.predicted >= 0 for one in found]
        sure = np.concatenate(
            [one.confidence[there] for one, there in zip(found, given, strict=True)]
        )
        right = np.concatenate(
            [evidence.book.right(one)[there] for one, there in zip(found, given, strict=True)]
        )
        if known := calibrate(sure, right):
            measured[name] = known
    return measured


def _top(answered: Mapping[str, list[TrialPredictions]]) -> dict[str, float]:
    """Share of images whose true class was among the top `TOP` predictions, over all seeds."""
    found = {}
    for name, several in answered.items():
        known = np.concatenate([one.rank[one.rank >= 0] for one in several])
        if len(known):
            found[name] = float(np.mean(known < TOP))
    return found
