"""The analysis of a run: tests, ranks, calibration, agreement and cost, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.analysis import confusion_matrices, splits
from orchestrator.analysis.agreement import Agreement, agree
from orchestrator.analysis.best_settings import SettingResult, compare_settings
from orchestrator.analysis.calibration import Calibration
from orchestrator.analysis.constraints import Constraints
from orchestrator.analysis.cost import Cost, network_costs
from orchestrator.analysis.decision import Decision
from orchestrator.analysis.decision_of_run import of_run
from orchestrator.analysis.duplicate_counts import find_duplicates
from orchestrator.analysis.examples import (
    Example,
    Examples,
    choose_examples,
    collect_examples,
    count_kinds,
)
from orchestrator.analysis.foretold import Foretold, foretold
from orchestrator.analysis.image_values import NetworkValues, values_of_networks
from orchestrator.analysis.leader import LeaderVerdict, beats_all_rivals, judge_leader
from orchestrator.analysis.metrics import METRICS
from orchestrator.analysis.noninferiority import NonInferiority, noninferiority
from orchestrator.analysis.overfitting import OverfittingAdvice, advise, still_falling
from orchestrator.analysis.pairwise import PairwiseTest, pairwise_tests
from orchestrator.analysis.per_class import ClassMetrics, Confusion, confusions
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.ranks import Ranks, rank_networks
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.seed_intervals import all_moments
from orchestrator.analysis.selective import RiskCoverage, answers, halves, risk_coverage
from orchestrator.analysis.settling import Settling, settling
from orchestrator.analysis.timeline import AttemptCount, Timeline, build_timeline, count_attempts

CONFUSED_PAIRS = 6
UNLIMITED = Constraints()


@dataclass(frozen=True, slots=True)
class Restated:
    """The comparison on the test images without the suspects, with its tests."""

    run_data: RunData
    paired_tests: tuple[PairwiseTest, ...]
    verdict: LeaderVerdict | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis after `period`; `first` holds each backbone's first seed that learned something.

    `chosen` are the examples to show, and `kinds` counts the images of each kind. `right_alone`
    has the images that only one backbone got right, `all_wrong` those that none did. `falling` are
    the backbones whose validation loss was still falling then. `settings` are those of a grid.
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
    settings: tuple[SettingResult, ...] = ()
    selective: Mapping[str, RiskCoverage] = field(default_factory=dict)
    margin: float | None = None
    noninferior: tuple[NonInferiority, ...] = ()
    decision: Decision | None = None
    foretold: Foretold | None = None
    without_suspects: Restated | None = None
    settling: Settling | None = None


def analyse(
    run_data: RunData, margin: float | None = None, constraints: Constraints = UNLIMITED
) -> Analysis:
    """Analyse run data that was read once from the store.

    With a `margin` in the unit of the leading metric, also whether networks are at most that much
    worse than the leader. The decision keeps to the `constraints`.
    """
    period, answered = run_data.period, _answered(run_data)
    first = {name: run_data.learned_answers(name, period)[0] for name in answered}
    examples = collect_examples(run_data.predictions, first, run_data.rivals)
    every = examples.all()
    matrices, mistakes = confusion_matrices.of_run(run_data)
    pooled = {name: run_data.predictions.together(seeds) for name, seeds in answered.items()}
    return Analysis(
        period=period,
        epoch=run_data.run.epoch_of(period),
        first=first,
        examples=examples,
        **_tested(run_data, answered, margin, constraints),
        ranks=_ranks(run_data),
        matrices=matrices,
        by_class=confusion_matrices.by_class(run_data, matrices, answered),
        confused=tuple(confusions(mistakes, run_data.predictions.classes, CONFUSED_PAIRS)),
        calibration={name: one.calibration for name, one in pooled.items() if one.calibration},
        agreement=_agreement(run_data, first, examples),
        top={n: top for n, one in pooled.items() if (top := METRICS["top5"].of(one)) is not None},
        stopping=_stopping(run_data),
        timeline=_timeline(run_data),
        attempts=count_attempts(run_data.attempts),
        duplicates=find_duplicates(run_data.manifest),
        chosen=tuple(choose_examples(every)),
        kinds=count_kinds(every),
        right_alone={name: examples.only(name) for name in examples.networks},
        all_wrong=examples.all_wrong() if examples.order else (),
        falling=_falling(run_data),
        settings=compare_settings(run_data),
        selective=_selective(run_data, first),
        without_suspects=_restated(run_data.without_suspects),
    )


def _restated(run_data: RunData | None) -> Restated | None:
    """The tests of the comparison without the suspects, by the same functions."""
    if run_data is None:
        return None
    facts = _tested(run_data, _answered(run_data), None)
    return Restated(run_data, facts["paired_tests"], facts["verdict"])


def _answered(run_data: RunData) -> dict[str, list[TrialPredictions]]:
    """The predictions of each network after the compared period, by seed."""
    every = {n: run_data.answers(n, run_data.period) for n in run_data.comparison.backbones}
    return {name: seeds for name, seeds in every.items() if seeds}


def _tested(
    run_data: RunData,
    answered: Mapping[str, list[TrialPredictions]],
    margin: float | None,
    constraints: Constraints = UNLIMITED,
) -> dict[str, Any]:
    """All tests between networks, by the values of images; their costs, and the decision."""
    metric, leader = run_data.metric, run_data.leader
    if run_data.splits:
        return _tested_over_splits(run_data, margin, constraints)
    values = values_of_networks(metric, run_data.predictions, answered)
    moments = all_moments(values.networks, values.swing)
    better = metric.higher_is_better
    tests = pairwise_tests(values.networks, moments, better, counted=values.counted)
    learned = {name: one for name, one in moments.items() if name in run_data.learned}
    leads = beats_all_rivals(learned, better)
    facts: dict[str, Any] = {"paired_tests": tests, "verdict": None, "margin": margin}
    facts["costs"] = costs = _costs(run_data)
    facts["foretold"] = foretold(run_data, values.networks)
    if leader:
        facts["verdict"] = judge_leader(leader, tests, leads)
        facts["settling"] = settling(run_data, tests, facts["verdict"])
        rivals = {name: rows for name, rows in values.networks.items() if name in run_data.rivals}

        def against(reference: str, names: Sequence[str]) -> tuple[NonInferiority, ...]:
            fit = {name: rows for name, rows in rivals.items() if name in names}
            if margin is None:
                return ()
            return noninferiority(
                NetworkValues(fit, values.swing), moments, reference, margin, metric.sign
            )

        if margin is not None:
            facts["noninferior"] = against(leader.ranking[0].backbone, list(rivals))
        facts["decision"] = of_run(run_data, margin, constraints, costs, tests, against)
    return facts


def _tested_over_splits(
    run_data: RunData, margin: float | None, constraints: Constraints
) -> dict[str, Any]:
    """The same over several splits, by the corrected resampled t-test."""
    tests, costs, leader = splits.tests(run_data), _costs(run_data), run_data.leader
    facts: dict[str, Any] = {"paired_tests": tests, "costs": costs, "margin": margin}
    facts["verdict"] = splits.verdict(run_data, tests)
    facts["settling"] = settling(run_data, tests, facts["verdict"])

    def against(reference: str, names: Sequence[str]) -> tuple[NonInferiority, ...]:
        if margin is None:
            return ()
        fit = [name for name in names if name in run_data.rivals]
        return splits.noninferiority(run_data, reference, fit, margin)

    if leader:
        facts["noninferior"] = against(leader.ranking[0].backbone, run_data.rivals)
        facts["decision"] = of_run(run_data, margin, constraints, costs, tests, against)
    return facts


def _selective(run_data: RunData, first: Mapping[str, TrialPredictions]) -> dict[str, RiskCoverage]:
    """Risk and coverage of each network's first seed."""
    tested, validation = run_data.predictions, run_data.validation
    half, curves = halves(tested.images), dict[str, RiskCoverage]()
    for name, one in first.items():
        held = run_data.validation_of(one)
        chosen_by = None if held is None else answers(held, validation.labels)
        if curve := risk_coverage(answers(one, tested.labels, half), chosen_by):
            curves[name] = curve
    return curves


def _timeline(run_data: RunData) -> Timeline:
    whose = {name: (run_data.label(name), one.seed) for name, one in run_data.trials.items()}
    return build_timeline(run_data.attempts, whose, run_data.states)


def _costs(run_data: RunData) -> tuple[Cost, ...]:
    spec, classes = run_data.run.spec, len(run_data.predictions.classes)
    sizes = {name: spec.preparation_of(name).image_size for name in spec.backbones}
    costs = network_costs(
        run_data.comparison, run_data.period, classes, run_data.trainings, sizes, spec.networks
    )
    return tuple(costs)


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
    split = run_data.shown_split
    shown = [n for n in run_data.trials if split is None or run_data.split_of[n] == split]
    advices = (advise([row for row in rows if row.trial == trial]) for trial in shown)
    return tuple(advice for advice in advices if advice)


def _falling(run_data: RunData) -> tuple[str, ...]:
    """Backbones whose validation loss was still falling at the compared epoch, with any seed."""
    until = run_data.run.epoch_of(run_data.period)
    rows = [row for row in run_data.comparison.epochs if row.epoch <= until]
    trials = {
        run_data.label(name)
        for name in run_data.trials
        if still_falling([row for row in rows if row.trial == name])
    }
    return tuple(name for name in run_data.comparison.backbones if name in trials)


def _ranks(run_data: RunData) -> Ranks | None:
    """Ranks with seeds as blocks; only seeds for which every tested backbone has a test.

    None with several splits: these share images, and would be no independent blocks.
    """
    if run_data.splits:
        return None
    metric = run_data.metric
    scores = {
        standing.backbone: {
            result.seed: metric.sign * result.metrics[metric.name]
            for result in standing.results
            if metric.name in result.metrics
        }
        for standing in run_data.comparison.at(run_data.period)
        if standing.lead and standing.backbone in run_data.rivals
    }
    seeds = (
        sorted(set.intersection(*(set(by_seed) for by_seed in scores.values()))) if scores else []
    )
    return rank_networks(
        {name: [by_seed[seed] for seed in seeds] for name, by_seed in scores.items()}
    )
