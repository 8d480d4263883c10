"""The paired permutation test of a metric on the same images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.analysis.image_values import Values

MIN_DRAWS, MAX_DRAWS, DRAWS_A_PAIR, AT_ONCE = 20_000, 100_000, 50, 500
ROUNDING = 1e-5
"""Sums of float32 that differ by this share count as equal."""
Flipped = np.ndarray[Any, np.dtype[np.float64]]


def flip_signs(values: Mapping[str, Values], pairs: int) -> dict[str, Flipped]:
    """Sums of values with random signs, as (draws, seeds); the same signs for all networks.

    The first of (draws + 1) rows has no sign changed. The smallest p-value, 1 / (draws + 1), stays
    significant after a correction for so many pairs, up to 5,000.
    """
    draws = min(max(MIN_DRAWS, DRAWS_A_PAIR * pairs), MAX_DRAWS)
    stacked = np.concatenate(list(values.values())).astype(np.float64)
    # The same for all: the test is of differences, and smaller numbers are more exact.
    stacked -= stacked.mean(axis=0)
    few = np.ascontiguousarray(stacked.T, np.float32)
    rng = np.random.default_rng([*hashlib.sha256(b"sign flips").digest(), len(few)])
    sums = np.empty((draws + 1, len(stacked)))
    sums[0] = stacked.sum(axis=1)
    for start in range(1, draws + 1, AT_ONCE):
        count = min(AT_ONCE, draws + 1 - start)
        signs = rng.integers(0, 2, (count, len(few)), np.int8).astype(np.float32)
        sums[start : start + count] = (2 * signs - 1) @ few
    flipped, first = {}, 0
    for name, own in values.items():
        flipped[name] = sums[:, first : first + len(own)]
        first += len(own)
    return flipped


def p_value(first: Flipped, second: Flipped) -> float:
    """Two-sided p-value of the difference of two networks with one seed each.

    Under the null hypothesis the two answers to an image could as well be exchanged, which changes
    the sign of their difference (Edgington and Onghena 2007, Randomization Tests, chapter 4). The
    observed difference counts among the draws (Phipson and Smyth 2010, Statistical Applications in
    Genetics and Molecular Biology 9:39).
    """
    sums = np.abs(first - second)
    return float(np.count_nonzero(sums >= (1 - ROUNDING) * sums[0]) / len(sums))
