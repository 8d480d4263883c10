"""Divide images without dividing a group, so that each class comes close to its shares."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_ATTEMPTS = 16
MAX_PLACED = 20_000
"""With more sets than this in all attempts there are fewer attempts; chance then evens out."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Images that stay together: how many of each class, and the smallest of their checksums."""

    counts: Mapping[str, int]
    sha256: str

    @property
    def images(self) -> int:
        """The number of images."""
        return sum(self.counts.values())


def assign(sets: Sequence[Whole], shares: Mapping[str, int], seed: int) -> list[str]:
    """The split of each set. Shares are percents, wanted in every class.

    Sets are placed from large to small, at random among those of like size, each where it brings
    its classes closest to their shares. The best of several orders is taken: few classes that lack
    a split, then small deviations. It depends on the sets and the seed, not on their order.
    """
    attempts = max(1, min(MAX_ATTEMPTS, MAX_PLACED // max(1, len(sets))))
    tried = [_Attempt(sets, shares) for _ in range(attempts)]
    for number, attempt in enumerate(tried):
        order = sorted(
            range(len(sets)),
            key=lambda p: (-sets[p].images.bit_length(), rank(sets[p].sha256, seed, number)),
        )
        for place in order:
            attempt.put(place)
    return min(tried, key=_Attempt.cost).chosen


def rank(sha256: str, seed: int, attempt: int = 0) -> bytes:
    """A place in a random order that depends on a checksum and the seed alone."""
    drawn = f"{seed}\0{sha256}" + (f"\0{attempt}" if attempt else "")
    return hashlib.sha256(drawn.encode()).digest()


class _Attempt:
    """One way to place all sets."""

    def __init__(self, sets: Sequence[Whole], shares: Mapping[str, int]) -> None:
        self.sets, self.shares = sets, shares
        self.chosen = [""] * len(sets)
        self.totals: Counter[str] = Counter()
        self.sets_left: Counter[str] = Counter()
        for one in sets:
            self.totals.update(one.counts)
            self.sets_left.update(one.counts.keys())
        self.possible = dict(self.sets_left)
        self.placed: dict[str, Counter[str]] = {name: Counter() for name in shares}

    def put(self, place: int) -> None:
        """Put a set into the split that it helps most; the first of equal ones."""
        counts = self.sets[place].counts
        best = min(self.shares, key=lambda split: self._change(split, counts))
        self.chosen[place] = best
        self.placed[best].update(counts)
        self.sets_left.subtract(counts.keys())

    def _change(self, split: str, counts: Mapping[str, int]) -> float:
        """How much the squared deviations grow, less one for each class that needs this split."""
        change = 0.0
        for label in sorted(counts):
            before = self._deviation(split, label)
            change += (before + counts[label] / self.totals[label]) ** 2 - before**2
            lacking = [name for name in self.shares if not self.placed[name][label]]
            if split in lacking and self.sets_left[label] <= len(lacking):
                change -= 1.0
        return change

    def _deviation(self, split: str, label: str) -> float:
        return self.placed[split][label] / self.totals[label] - self.shares[split] / 100

    def cost(self) -> tuple[int, int, float]:
        """Classes without a training image; splits that a class lacks; squared deviations."""
        first = next(iter(self.shares))
        untrained = sum(not self.placed[first][label] for label in self.totals)
        lacking = sum(
            not self.placed[split][label]
            for label in self.totals
            for split in self.shares
            if self.possible[label] >= len(self.shares)
        )
        squares = math.fsum(  # the same in every version of Python, as sum is not
            self._deviation(split, label) ** 2
            for label in sorted(self.totals)
            for split in self.shares
        )
        return untrained, lacking, squares
