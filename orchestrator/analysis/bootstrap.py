"""Bootstrap of a metric: resamples images and seeds, with the same images for all networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from jobs.statistics.interval import Interval
from orchestrator.analysis.image_values import Values

DRAWS, AT_ONCE = 4000, 200
Drawn = np.ndarray[Any, np.dtype[np.float64]]


def resampled(right: Mapping[str, Values], draws: int = DRAWS, seed: int = 0) -> dict[str, Drawn]:
    """The metric of each network per draw, from the values of images as (seeds, images).

    The paired bootstrap (Efron and Tibshirani 1993, chapter 8): a draw has the same images for all
    networks. Several seeds are resampled too, separately per network (the pigeonhole
    bootstrap, Owen 2007, Annals of Applied Statistics 1:386-411). The random numbers come from
    `seed` and the network's name alone, so the order of networks does not matter.
    """
    images = next(iter(right.values())).shape[1]
    stacked = np.concatenate(list(right.values())).astype(np.float32)
    rng = np.random.default_rng([seed, images])
    sums = np.empty((draws, len(stacked)), np.float64)
    for start in range(0, draws, AT_ONCE):
        count = min(AT_ONCE, draws - start)
        picked = rng.integers(0, images, (count, images)) + images * np.arange(count)[:, None]
        weights = np.bincount(picked.ravel(), minlength=count * images).reshape(count, images)
        sums[start : start + count] = weights.astype(np.float32) @ stacked.T
    drawn, first = {}, 0
    for name, own in right.items():
        shares = sums[:, first : first + len(own)] / images
        drawn[name] = (shares * _seed_weights(name, len(own), draws, seed)).sum(axis=1)
        first += len(own)
    return drawn


def difference(first: Drawn, second: Drawn) -> Interval:
    """95% percentile interval of the first network's metric minus the second's."""
    low, high = np.quantile(first - second, [0.025, 0.975])
    return Interval(float(low), float(high))


def _seed_weights(name: str, seeds: int, draws: int, seed: int) -> Drawn:
    """Weight of each seed in each draw; rows sum to 1."""
    if seeds == 1:
        return np.ones((draws, 1))
    rng = np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()])
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
