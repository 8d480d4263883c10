"""Calibration: whether confidence matches accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.catalog.metrics import BINS as BINS


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions with a confidence in one range: count, mean confidence, accuracy (shares)."""

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error, Brier score, means, and the bins of the reliability curve.

    `gap` is mean confidence minus accuracy: above zero the network is overconfident.
    """

    ece: float
    brier: float
    confidence: float
    accuracy: float
    images: int
    bins: tuple[Bin, ...]

    @property
    def gap(self) -> float:
        """Mean confidence minus accuracy."""
        return self.confidence - self.accuracy


def calibrate(
    confidence: np.ndarray[Any, Any], right: np.ndarray[Any, Any], bins: int = BINS
) -> Calibration | None:
    """Calibration of predictions with confidences in [0, 1]; ignores NaN. None without any.

    ECE uses bins of equal width, open below and closed above (Guo et al. 2017, ICML, PMLR
    70:1321-1330). The Brier score (Brier 1950, Monthly Weather Review 78:1-3) is that of the event
    "this prediction is correct".
    """
    known = ~np.isnan(confidence)
    sure, good = np.clip(confidence[known].astype(float), 0, 1), right[known].astype(float)
    if not len(sure):
        return None
    which = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    number = np.bincount(which, minlength=bins)
    means = [np.bincount(which, weights, bins) / np.maximum(number, 1) for weights in (sure, good)]
    ece = float((np.abs(means[0] - means[1]) * number).sum() / len(sure))
    filled_bins = tuple(
        Bin(
            i / bins,
            (i + 1) / bins,
            int(number[i]),
            *(float(m[i]) if number[i] else None for m in means),
        )
        for i in range(bins)
    )
    return Calibration(
        ece,
        float(np.mean((sure - good) ** 2)),
        float(sure.mean()),
        float(good.mean()),
        len(sure),
        filled_bins,
    )
