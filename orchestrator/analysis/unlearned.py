"""Trials that learned nothing: their answers have nothing to do with the images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from orchestrator.analysis.predictions import Predictions, TrialPredictions

MAX_KAPPA = 0.05
"""Cohen's kappa between answers and true classes below which a trial has learned nothing."""
ONE_ANSWER = 0.8
"""Share of images with the same answer from which a trial gives one answer to nearly all."""
MIN_IMAGES = 10
"""Fewer test images than these show nothing about learning."""
Z90 = 1.6448536269514722
"""Standard normal quantile of a one-sided 95% limit."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """Accuracy without looking: of a random class, and of always answering `majority`."""

    chance: float | None = None
    majority: str = ""
    majority_share: float | None = None


@dataclass(frozen=True, slots=True)
class Unlearned:
    """A trial that learned nothing: its commonest answer, and the share of images that got it.

    `split` is what drew its split, where a run has several.
    """

    seed: int
    answer: str
    share: float
    accuracy: float
    split: int | None = None

    @property
    def one_answer(self) -> bool:
        """Whether it gives one answer to nearly all images; else its answers are random."""
        return self.share >= ONE_ANSWER


@dataclass(frozen=True, slots=True)
class Learning:
    """The baselines, and by (backbone, period) the trials that learned nothing and all tested."""

    baselines: Baselines = Baselines()
    unlearned: Mapping[tuple[str, int], tuple[Unlearned, ...]] = field(default_factory=dict)
    tested: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def trials(self, backbone: str, period: int) -> tuple[Unlearned, ...]:
        """Trials of a backbone that had learned nothing after a period."""
        return self.unlearned.get((backbone, period), ())

    def nothing(self, backbone: str, period: int) -> bool:
        """Whether no tested trial of this backbone had learned anything after a period."""
        return 0 < self.tested.get((backbone, period), 0) == len(self.trials(backbone, period))

    def learned(self, backbones: Sequence[str], period: int) -> list[str]:
        """The backbones that had learned something after a period."""
        return [name for name in backbones if not self.nothing(name, period)]


def judge_learning(
    predictions: Predictions,
    answered: Mapping[tuple[str, int], Sequence[tuple[int, TrialPredictions]]],
) -> Learning:
    """Judge all trials, given as (seed, predictions) by backbone and period."""
    judged = {
        key: tuple(one for seed, given in trials if (one := judge_trial(predictions, seed, given)))
        for key, trials in answered.items()
    }
    return Learning(
        _baselines(predictions),
        {key: of_key for key, of_key in judged.items() if of_key},
        {key: len(trials) for key, trials in answered.items()},
    )


def judge_trial(predictions: Predictions, seed: int, given: TrialPredictions) -> Unlearned | None:
    """A trial that learned nothing; None if it learned something or nobody can tell.

    Its kappa is below `MAX_KAPPA`, and it gives nearly one answer, or kappa is both well measured
    and not significantly above zero. Kappa, unlike accuracy, is zero for any constant answer.
    """
    there = (given.predicted >= 0) & (predictions.labels >= 0)
    labels, answers = predictions.labels[there], given.predicted[there]
    images, classes = len(labels), len(predictions.classes)
    if images < MIN_IMAGES:
        return None
    of_answer, of_class = (np.bincount(c, minlength=classes) / images for c in (answers, labels))
    expected, accuracy = float(of_answer @ of_class), float((answers == labels).mean())
    if expected >= 1 or (kappa := (accuracy - expected) / (1 - expected)) >= MAX_KAPPA:
        return None
    commonest = int(of_answer.argmax())
    unlearned = Unlearned(
        seed, predictions.classes[commonest], float(of_answer[commonest]), accuracy
    )
    half = Z90 * math.sqrt(expected / (1 - expected) / images)
    at_random = kappa < half and kappa + half < MAX_KAPPA
    return unlearned if unlearned.one_answer or at_random else None


def _baselines(predictions: Predictions) -> Baselines:
    """Chance and the commonest class of the test images."""
    counts = Counter(predictions.labels[predictions.labels >= 0].tolist())
    if not counts:
        return Baselines()
    code, images = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return Baselines(
        1 / len(predictions.classes), predictions.classes[code], images / counts.total()
    )
