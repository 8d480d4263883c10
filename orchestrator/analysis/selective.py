"""Selective classification: how often a network is right if it answers only when it is sure.

El-Yaniv and Wiener 2010, JMLR 11:1605-1641. Thresholds are chosen on validation images, and what
they do is counted on test images. Where the answers to validation images are unknown, as in stores
of earlier versions, thresholds are chosen on the test images themselves and are optimistic;
`checked_` says how much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from orchestrator.analysis.predictions import Codes, TrialPredictions

TARGETS = (0.9, 0.95, 0.99)
"""Shares of answers that are to be right."""
MAX_POINTS = 200
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ConfidentAnswers:
    """Answers with known confidence: how sure each is, whether it is right, and its half.

    `half` splits the images in two at random, by the checksums of their names.
    """

    sure: Array
    right: Array
    half: Array


@dataclass(frozen=True, slots=True)
class RejectThreshold:
    """The lowest confidence to answer with, so that a share `target` of the answers is right.

    It is chosen on the images that the curve names (`chosen_on`). `coverage` is the share of the
    test images that are answered, `accuracy` the share of these that are right. The checked ones
    are always of images that did not choose: those of all test images where validation images
    chose, else the threshold of each half of the test images is used for the other. None where even
    the surest answers are right too seldom, or where nothing is answered.
    """

    target: float
    threshold: float | None
    coverage: float
    accuracy: float | None
    checked_coverage: float
    checked_accuracy: float | None


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Errors among the surest answers of one network, at most `MAX_POINTS` points.

    `area` is the mean risk over all coverages (AURC; Geifman, Uziel and El-Yaniv 2019, ICLR).
    Thresholds are chosen on `choosing` images of the split `chosen_on`.
    """

    images: int
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float
    chosen_on: Literal["validation", "test"]
    choosing: int
    thresholds: tuple[RejectThreshold, ...]


def halves(images: Sequence[str]) -> Array:
    """Which images are in the first half, by the checksums of their names."""
    return np.array([hashlib.sha256(name.encode()).digest()[0] % 2 == 0 for name in images], bool)


def answers(
    one: TrialPredictions, labels: Codes, half: Array | None = None
) -> ConfidentAnswers | None:
    """The answers of a trial whose confidence is known; None without any."""
    known = (one.predicted >= 0) & ~np.isnan(one.confidence)
    if not known.any():
        return None
    halved = np.zeros(len(known), bool) if half is None else half
    return ConfidentAnswers(
        one.confidence[known].astype(float), (one.predicted == labels)[known], halved[known]
    )


def risk_coverage(
    tested: ConfidentAnswers | None, chosen_by: ConfidentAnswers | None = None
) -> RiskCoverage | None:
    """Risk and coverage of one trial's answers to test images; None without confidences.

    `chosen_by` are its answers to validation images, where they are known.
    """
    if tested is None:
        return None
    images = len(tested.sure)
    order = np.argsort(-tested.sure, kind="stable")
    answered = np.arange(1, images + 1)
    risk = np.cumsum(~tested.right[order]) / answered
    last = np.flatnonzero(np.append(np.diff(tested.sure[order]) != 0, True))
    shown = last[np.unique(np.linspace(0, len(last) - 1, MAX_POINTS).round().astype(int))]
    return RiskCoverage(
        images,
        tuple((answered[shown] / images).tolist()),
        tuple(risk[shown].tolist()),
        float(risk.mean()),
        "test" if chosen_by is None else "validation",
        len((chosen_by or tested).sure),
        tuple(
            _optimistic(target, tested) if chosen_by is None else _held(target, chosen_by, tested)
            for target in TARGETS
        ),
    )


def lowest_threshold(target: float, sure: Array, right: Array) -> float | None:
    """The lowest confidence from which on a share `target` is right; None if there is none."""
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(sure) + 1)
    ends = np.append(np.diff(sure[order]) != 0, True) if len(sure) else np.zeros(0, bool)
    good = np.flatnonzero(ends & (shares >= target))
    return float(sure[order][good[-1]]) if len(good) else None


def _held(target: float, chosen_by: ConfidentAnswers, tested: ConfidentAnswers) -> RejectThreshold:
    """The threshold of the validation images, with what it does on the test images."""
    threshold = lowest_threshold(target, chosen_by.sure, chosen_by.right)
    coverage, accuracy = _answered(tested, threshold)
    return RejectThreshold(target, threshold, coverage, accuracy, coverage, accuracy)


def _optimistic(target: float, tested: ConfidentAnswers) -> RejectThreshold:
    """The threshold of the test images, and what that of each half does on the other."""
    sure, right, half = tested.sure, tested.right, tested.half
    threshold = lowest_threshold(target, sure, right)
    coverage, accuracy = _answered(tested, threshold)
    checked = np.zeros(len(sure), bool)
    for chosen_on, used_on in ((half, ~half), (~half, half)):
        of_half = lowest_threshold(target, sure[chosen_on], right[chosen_on])
        if of_half is not None:
            checked |= used_on & (sure >= of_half)
    shown = float(right[checked].mean()) if checked.any() else None
    return RejectThreshold(target, threshold, coverage, accuracy, float(checked.mean()), shown)


def _answered(tested: ConfidentAnswers, threshold: float | None) -> tuple[float, float | None]:
    """The share that is answered with this threshold, and the share of it that is right."""
    there = np.zeros(len(tested.sure), bool) if threshold is None else tested.sure >= threshold
    return float(there.mean()), float(tested.right[there].mean()) if there.any() else None
