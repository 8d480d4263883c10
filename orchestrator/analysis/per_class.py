"""Metrics per class, and confusions between classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Metrics of one class for one network: images, precision, recall and F1 (shares).

    Precision is None if the class was never predicted, recall if it has no image. F1 is None only
    if both are.
    """

    label: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """A true class predicted as another: count, and images of the true class."""

    label: str
    answer: str
    times: int
    images: int


def class_metrics(counts: Counts, classes: Sequence[str]) -> list[ClassMetrics]:
    """Precision, recall, F1 (van Rijsbergen 1979, chapter 7) per class; rows are true classes."""
    hits, of_class, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return [
        ClassMetrics(
            name,
            int(of_class[i]),
            _share(hits[i], answered[i]),
            _share(hits[i], of_class[i]),
            _share(2 * hits[i], answered[i] + of_class[i]),
        )
        for i, name in enumerate(classes)
    ]


def macro(found: Sequence[ClassMetrics], measure: str) -> float | None:
    """Unweighted (macro) mean over the classes for which the measure is defined."""
    values = [value for one in found if (value := getattr(one, measure)) is not None]
    return sum(values) / len(values) if values else None


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


def _share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
