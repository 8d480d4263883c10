"""The analysis of a run: tests, ranks, calibration, agreement and cost, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis.agreement import Agreement, agree
from orchestrator.analysis.calibration import Calibration
from orchestrator.analysis.cost import Cost, network_costs
from orchestrator.analysis.duplicates import find_duplicates
from orchestrator.analysis.examples import (
    Example,
    Examples,
    choose_examples,
    collect_examples,
    count_kinds,
)
from orchestrator.analysis.leader import LeaderVerdict, beats_all_rivals, judge_leader
from orchestrator.analysis.metrics import top5
from orchestrator.analysis.overfitting import OverfittingAdvice, advise, still_falling
from orchestrator.analysis.pairwise import PairwiseTest, pairwise_tests
from orchestrator.analysis.per_class import (
    ClassMetrics,
    Confusion,
    Counts,
    class_metrics,
    confusions,
)
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.ranks import Ranks, rank_networks
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.seed_intervals import all_moments
from orchestrator.analysis.timeline import AttemptCount, Timeline, build_timeline, count_attempts

CONFUSED_PAIRS = 6


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis after `period`; `first` holds each backbone's first seed that learned something.

    `chosen` are the examples to show, and `kinds` counts the images of each kind. `right_alone`
    has the images that only one backbone got right, `all_wrong` those that none did. `falling` are
    the backbones whose validation loss was still falling then.
    """

    period: int
    epoch: int
    first: Mapping[str, TrialPredictions]
    examples: Examples
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
    attempts: tuple[AttemptCount, ...] = ()
    duplicates: Mapping[str, int] | None = None
    chosen: tuple[Example, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    right_alone: Mapping[str, Sequence[int]] = field(default_factory=dict)
    all_wrong: Sequence[int] = ()
    falling: tuple[str, ...] = ()


def analyse(run_data: RunData) -> Analysis:
    """Analyse run data that was read once from the store."""
    period, names = run_data.period, run_data.comparison.backbones
    answered = {name: seeds for name in names if (seeds := run_data.answers(name, period))}
    first = {name: run_data.learned_answers(name, period)[0] for name in answered}
    examples = collect_examples(run_data.predictions, first, run_data.rivals)
    every = examples.all()
    right = _right(run_data, answered)
    moments = all_moments(right)
    tests = pairwise_tests(right, moments)
    leads = beats_all_rivals({n: one for n, one in moments.items() if n in run_data.learned})
    matrices, mistakes = _matrices(run_data)
    pooled = {name: run_data.predictions.together(seeds) for name, seeds in answered.items()}
    return Analysis(
        period=period,
        epoch=run_data.run.epoch_of(period),
        first=first,
        examples=examples,
        paired_tests=tests,
        verdict=judge_leader(run_data.leader, tests, leads) if run_data.leader else None,
        ranks=_ranks(run_data),
        matrices=matrices,
        by_class=_by_class(run_data, matrices, answered),
        confused=tuple(confusions(mistakes, run_data.predictions.classes, CONFUSED_PAIRS)),
        calibration={name: one.calibration for name, one in pooled.items() if one.calibration},
        agreement=_agreement(run_data, first, examples),
        top={name: top for name, one in pooled.items() if (top := top5(one)) is not None},
        costs=_costs(run_data),
        stopping=_stopping(run_data),
        timeline=_timeline(run_data),
        attempts=count_attempts(run_data.attempts),
        duplicates=find_duplicates(run_data.manifest),
        chosen=tuple(choose_examples(every)),
        kinds=count_kinds(every),
        right_alone={name: examples.only(name) for name in examples.networks},
        all_wrong=examples.all_wrong() if examples.order else (),
        falling=_falling(run_data),
    )


def _timeline(run_data: RunData) -> Timeline:
    whose = {name: (trial.backbone, trial.seed) for name, trial in run_data.trials.items()}
    return build_timeline(run_data.attempts, whose, run_data.states)


def _costs(run_data: RunData) -> tuple[Cost, ...]:
    spec, classes = run_data.run.spec, len(run_data.predictions.classes)
    sizes = {name: spec.preparation_of(name).image_size for name in spec.backbones}
    costs = network_costs(
        run_data.comparison, run_data.period, classes, run_data.trainings, sizes, spec.networks
    )
    return tuple(costs)


def _matrices(run_data: RunData) -> tuple[dict[tuple[str, int], Counts], Counts]:
    """Confusion matrices by backbone and period, over all seeds, and that of all mistakes.

    The latter sums the trials that learned something after the compared period.
    """
    size = len(run_data.predictions.classes)
    matrices: dict[tuple[str, int], Counts] = {}
    mistakes: Counts = np.zeros((size, size), np.int64)
    for name in run_data.comparison.backbones:
        for period in sorted({*run_data.periods, run_data.period}):
            learned = run_data.learned_answers(name, period)
            counted = period == run_data.period and name in run_data.rivals
            for one in run_data.answers(name, period):
                counts = run_data.predictions.confusion(one)
                before = matrices.get((name, period), 0)
                matrices[name, period] = before + counts
                if counted and any(one is each for each in learned):
                    mistakes += counts
    return matrices, mistakes


def _by_class(
    run_data: RunData,
    matrices: Mapping[tuple[str, int], Counts],
    answered: Mapping[str, list[TrialPredictions]],
) -> dict[str, list[ClassMetrics]]:
    """Metrics of each class after the compared period, over all seeds."""
    classes = run_data.predictions.classes
    return {
        name: class_metrics(matrices[name, run_data.period], classes, _images(run_data, seeds))
        for name, seeds in answered.items()
    }


def _agreement(
    run_data: RunData, first: Mapping[str, TrialPredictions], chosen: Examples
) -> tuple[Agreement, ...]:
    """Agreement of each pair of backbones, by their first seeds."""
    places = np.array(chosen.order, np.int64)
    labels = run_data.predictions.labels[places]
    return tuple(
        agree(a, b, first[a].predicted[places], first[b].predicted[places], labels)
        for a, b in combinations(first, 2)
    )


def _stopping(run_data: RunData) -> tuple[OverfittingAdvice, ...]:
    """Early stopping advice for each trial with validation losses."""
    rows = run_data.comparison.epochs
    advices = (advise([row for row in rows if row.trial == trial]) for trial in run_data.trials)
    return tuple(advice for advice in advices if advice)


def _falling(run_data: RunData) -> tuple[str, ...]:
    """Backbones whose validation loss was still falling at the compared epoch, with any seed."""
    until = run_data.run.epoch_of(run_data.period)
    rows = [row for row in run_data.comparison.epochs if row.epoch <= until]
    trials = {
        trial.backbone
        for name, trial in run_data.trials.items()
        if still_falling([row for row in rows if row.trial == name])
    }
    return tuple(name for name in run_data.comparison.backbones if name in trials)


def _images(run_data: RunData, seeds: Sequence[TrialPredictions]) -> Counts:
    """Test images of each class that any seed answered; an image counts once."""
    there = np.logical_or.reduce([one.predicted >= 0 for one in seeds])
    return np.bincount(
        run_data.predictions.labels[there], minlength=len(run_data.predictions.classes)
    )


def _right(run_data: RunData, answered: Mapping[str, list[TrialPredictions]]) -> dict[str, Any]:
    """Correct predictions as (seeds, images), on the images that all backbones predicted."""
    every = [one.predicted >= 0 for trials in answered.values() for one in trials]
    common = np.logical_and.reduce(every) if every else np.zeros(0, bool)
    return {
        name: np.stack([run_data.predictions.right(one)[common] for one in trials])
        for name, trials in answered.items()
    }


def _ranks(run_data: RunData) -> Ranks | None:
    """Ranks with seeds as blocks; only seeds for which every tested backbone has a test."""
    scores = {
        standing.backbone: {r.seed: r.tested.accuracy for r in standing.results if r.tested}
        for standing in run_data.comparison.at(run_data.period)
        if standing.tests and standing.backbone in run_data.rivals
    }
    seeds = (
        sorted(set.intersection(*(set(by_seed) for by_seed in scores.values()))) if scores else []
    )
    return rank_networks(
        {name: [by_seed[seed] for seed in seeds] for name, by_seed in scores.items()}
    )
