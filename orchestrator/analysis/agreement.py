"""Agreement of two networks, beyond what chance explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two networks on the same images: share of equal predictions, kappa, equal mistakes."""

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

    Kappa is (share - chance) / (1 - chance), with chance from each network's own frequencies of
    predictions (Cohen 1960, Educational and Psychological Measurement 20:37-46). It is 1 where
    chance alone explains everything.
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
