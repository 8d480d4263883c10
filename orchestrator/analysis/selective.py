"""Selective classification: how often a network is right if it answers only when it is sure.

El-Yaniv and Wiener 2010, JMLR 11:1605-1641. Thresholds are chosen on the test images themselves and
are optimistic; `checked_` says how much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.analysis.predictions import TrialPredictions

TARGETS = (0.9, 0.95, 0.99)
"""Shares of answers that are to be right."""
MAX_POINTS = 200
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class RejectThreshold:
    """The lowest confidence to answer with, so that a share `target` of the answers is right.

    `coverage` is the share of images that are answered, `accuracy` the share of these that are
    right. The checked ones are of images that did not choose: the threshold of each half of the
    images is used for the other. None where even the surest answers are right too seldom.
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
    """

    images: int
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float
    thresholds: tuple[RejectThreshold, ...]


def halves(images: Sequence[str]) -> Array:
    """Which images are in the first half, by the checksums of their names."""
    return np.array([hashlib.sha256(name.encode()).digest()[0] % 2 == 0 for name in images], bool)


def risk_coverage(one: TrialPredictions, labels: Array, half: Array) -> RiskCoverage | None:
    """Risk and coverage of one trial's answers; None without confidences."""
    known = (one.predicted >= 0) & ~np.isnan(one.confidence)
    sure, right = one.confidence[known].astype(float), (one.predicted == labels)[known]
    if not len(sure):
        return None
    order = np.argsort(-sure, kind="stable")
    answered = np.arange(1, len(sure) + 1)
    risk = np.cumsum(~right[order]) / answered
    last = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True))
    shown = last[np.unique(np.linspace(0, len(last) - 1, MAX_POINTS).round().astype(int))]
    return RiskCoverage(
        len(sure),
        tuple((answered[shown] / len(sure)).tolist()),
        tuple(risk[shown].tolist()),
        float(risk.mean()),
        tuple(_reject(target, sure, right, half[known]) for target in TARGETS),
    )


def lowest_threshold(target: float, sure: Array, right: Array) -> float | None:
    """The lowest confidence from which on a share `target` is right; None if there is none."""
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(sure) + 1)
    ends = np.append(np.diff(sure[order]) != 0, True) if len(sure) else np.zeros(0, bool)
    good = np.flatnonzero(ends & (shares >= target))
    return float(sure[order][good[-1]]) if len(good) else None


def _reject(target: float, sure: Array, right: Array, half: Array) -> RejectThreshold:
    threshold = lowest_threshold(target, sure, right)
    coverage, accuracy = _answered(sure, right, threshold)
    checked = np.zeros(len(sure), bool)
    for chosen_on, used_on in ((half, ~half), (~half, half)):
        of_half = lowest_threshold(target, sure[chosen_on], right[chosen_on])
        if of_half is not None:
            checked |= used_on & (sure >= of_half)
    shown = float(right[checked].mean()) if checked.any() else None
    return RejectThreshold(target, threshold, coverage, accuracy, float(checked.mean()), shown)


def _answered(sure: Array, right: Array, threshold: float | None) -> tuple[float, float | None]:
    """The share that is answered with this threshold, and the share of it that is right."""
    if threshold is None:
        return 0.0, None
    there = sure >= threshold
    return float(there.mean()), float(right[there].mean())
