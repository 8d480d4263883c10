"""Metrics per class, and confusions between classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.statistics.interval import Interval
from orchestrator.analysis.spreads import wilson

Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Metrics of one class for one network: images, precision, recall and F1 (shares).

    Each has its 95% interval over images (see `_intervals`).
    All three are None if the class has neither an image nor a prediction. A precision without
    predictions counts 0, and so does a recall without images, as in scikit-learn.
    """

    label: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    f1_interval: Interval | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """By class: correct answers, images of the class, and answers that name it."""

    hits: Counts
    there: Counts
    answered: Counts

    def precision(self, code: int) -> float | None:
        """Share of the answers that name this class and are correct."""
        return _share(self.hits[code], self.answered[code], self.there[code])

    def recall(self, code: int) -> float | None:
        """Share of the images of this class that are answered correctly."""
        return _share(self.hits[code], self.there[code], self.answered[code])

    def f1(self, code: int) -> float | None:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.hits[code], self.answered[code] + self.there[code])


@dataclass(frozen=True, slots=True)
class Confusion:
    """A true class predicted as another: count, and images of the true class."""

    label: str
    answer: str
    times: int
    images: int


def class_metrics(
    counts: Counts, classes: Sequence[str], images: Counts | None = None
) -> list[ClassMetrics]:
    """Precision, recall, F1 (van Rijsbergen 1979, chapter 7) per class; rows are true classes.

    `counts` may sum several seeds; `images` are then the images of each class, counted once.
    """
    seeds = max(1.0, float(counts.sum()) / float(images.sum())) if images is not None else 1.0
    hits, there, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    class_counts = ClassCounts(hits, there, answered)
    number = class_counts.there if images is None else images
    return [
        ClassMetrics(
            name,
            int(number[i]),
            class_counts.precision(i),
            class_counts.recall(i),
            class_counts.f1(i),
            *_intervals(*(float(each[i]) / seeds for each in (hits, answered, there))),
        )
        for i, name in enumerate(classes)
    ]


def _intervals(
    hits: float, answered: float, there: float
) -> tuple[Interval | None, Interval | None, Interval | None]:
    """Wilson's 95% intervals of precision, recall and F1; None where there is nothing to count.

    Of the images that are of the class or answered as it, the hits are a share J, and F1 is
    2 J / (1 + J), which grows with J: so the interval of F1 is that of J, transformed. The counts
    are means over seeds, so that more seeds do not narrow what only more images can.
    """
    either = answered + there - hits
    shares = [wilson(hits, whole) if whole else None for whole in (answered, there, either)]
    jaccard = shares[2]
    f1 = jaccard and Interval(*(2 * end / (1 + end) for end in (jaccard.low, jaccard.high)))
    return shares[0], shares[1], f1


def macro(values: Iterable[float | None]) -> float | None:
    """Unweighted (macro) mean over the classes for which a measure is defined."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def confusions(counts: Counts, classes: Sequence[str], most: int = 3) -> list[Confusion]:
    """The most frequent confusions; ties by class names."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [divmod(int(flat), len(classes)) for flat in order]
    return [
        Confusion(classes[i], classes[j], int(wrong[i, j]), int(counts[i].sum()))
        for i, j in places
        if wrong[i, j] > 0
    ]


def _share(part: Any, whole: Any, other: Any = 0) -> float | None:
    """Part of a whole; 0 of an empty whole, None if `other` is empty too."""
    return float(part) / float(whole) if whole else 0.0 if other else None
