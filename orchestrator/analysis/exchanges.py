"""The paired randomisation test of a metric that is computed from counts by class."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MIN_DRAWS, MAX_DRAWS, DRAWS_A_PAIR = 20_000, 100_000, 50
ENOUGH = 200
"""Draws as extreme as what was observed after which no more are needed."""
CELLS_AT_ONCE, FIRST_DRAWS = 2_000_000, 1_000
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class CountedAnswers:
    """The answers of networks as (seeds, images), by class code, with the images' own classes.

    `of_counts` computes the metric from images right, images and answers by class.
    """

    of_counts: Callable[[Any, Any, Any], Any]
    classes: int
    labels: Array
    predicted: Mapping[str, Array]

    def p_value(self, first: str, second: str, seed: int, pairs: int) -> float:
        """Two-sided p-value of the difference of two networks with one seed each.

        Under the null hypothesis the two answers to an image could as well be exchanged, after
        which the metric is computed anew (Edgington and Onghena 2007, Randomization Tests, chapter
        4). That stays right where a class has a single image. Drawing ends early where the p-value
        is large (Besag and Clifford 1991, Biometrika 78:301-304). The smallest p-value stays
        significant after a correction for so many pairs, up to 5,000.
        """
        draws = min(max(MIN_DRAWS, DRAWS_A_PAIR * pairs), MAX_DRAWS)
        drawn = extreme = 0
        for chunk in self._extremes(self.predicted[first][seed], self.predicted[second][seed]):
            counted = extreme + np.cumsum(chunk[: draws - drawn])
            if len(counted) and counted[-1] >= ENOUGH:
                return ENOUGH / (drawn + int(np.searchsorted(counted, ENOUGH)) + 1)
            drawn, extreme = drawn + len(counted), int(counted[-1])
            if drawn == draws:
                break
        return (extreme + 1) / (drawn + 1)

    def _extremes(self, ours: Array, theirs: Array) -> Iterator[Array]:
        """Which draws differ by at least as much as was observed, without end."""
        differ = np.flatnonzero(ours != theirs)
        hits, answers = self._moved(ours, theirs, differ)
        there = self._count(self.labels)
        right = [self._count(self.labels[said == self.labels]) for said in (ours, theirs)]
        said = [self._count(ours), self._count(theirs)]

        def differences(exchanged: Array) -> Array:
            more, others = exchanged @ hits, exchanged @ answers
            first = self.of_counts(right[0] + more, there, said[0] + others)
            second = self.of_counts(right[1] - more, there, said[1] - others)
            return np.asarray(np.abs(first - second))

        observed = differences(np.zeros((1, len(differ)), np.int8))[0]
        seed = hashlib.sha256(b"exchanges").digest()
        rng = np.random.default_rng([*seed, len(ours), len(differ)])
        rows = max(1, min(FIRST_DRAWS, CELLS_AT_ONCE // (self.classes + len(differ) + 1)))
        while True:
            exchanged = rng.integers(0, 2, (rows, len(differ)), np.int8)
            yield differences(exchanged) >= (1 - ROUNDING) * observed

    def _moved(self, ours: Array, theirs: Array, differ: Array) -> tuple[Any, Any]:
        """What exchanging each of these images adds to the first's hits and answers, by class."""
        from scipy import sparse

        labels, first, second = self.labels[differ], ours[differ], theirs[differ]

        def cells(codes: Array, known: Array) -> Any:
            entries = (known.astype(np.int64), (np.arange(len(codes)), codes))
            return sparse.csr_array(entries, shape=(len(codes), self.classes))

        every = np.ones(len(differ), bool)
        hits = cells(labels, second == labels) - cells(labels, first == labels)
        return hits, cells(second, every) - cells(first, every)

    def _count(self, codes: Array) -> Array:
        return np.bincount(codes, minlength=self.classes)
