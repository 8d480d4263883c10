"""Confusion matrices of a run's networks over all seeds, and the metrics of classes from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from orchestrator.analysis.per_class import ClassMetrics, Counts, class_metrics
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.run_data import RunData


def of_run(run_data: RunData) -> tuple[dict[tuple[str, int], Counts], Counts]:
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


def by_class(
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


def _images(run_data: RunData, seeds: Sequence[TrialPredictions]) -> Counts:
    """Test images of each class that any seed answered; an image counts once."""
    there = np.logical_or.reduce([one.predicted >= 0 for one in seeds])
    return np.bincount(
        run_data.predictions.labels[there], minlength=len(run_data.predictions.classes)
    )
