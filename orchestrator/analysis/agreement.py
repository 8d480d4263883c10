"""Agreement between two networks, corrected for chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement on the same images: share of equal predictions, kappa, and equal mistakes."""

    first: str
    second: str
    images: int
    share: float
    kappa: float
    same_mistake: int


def agree(
    first: str,
    second: str,
    ours: np.ndarray[Any, Any],
    theirs: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
) -> Agreement:
    """Compare the predictions of two networks, as class codes from 0, image by image.

    Kappa is (share - chance) / (1 - chance). Chance is the agreement expected from each network's
    own prediction frequencies (Cohen 1960, Educational and Psychological Measurement 20:37-46).
    Kappa is 1 when the expected agreement is already 1.
    """
    images = len(ours)
    classes = 1 + int(max(ours.max(initial=0), theirs.max(initial=0)))
    share = float(np.mean(ours == theirs)) if images else 1.0
    frequencies = [
        np.bincount(codes, minlength=classes) / max(1, images) for codes in (ours, theirs)
    ]
    chance = float(frequencies[0] @ frequencies[1])
    kappa = (share - chance) / (1 - chance) if chance < 1 else 1.0
    return Agreement(
        first, second, images, share, kappa, int(((ours == theirs) & (ours != labels)).sum())
    )
