"""What each test image contributes to a metric, so that any metric is compared as a mean is.

A metric that is a mean over images has its values as they are. For others they are the metric plus
the influence of each image by the jackknife, n - 1 times the change when the image is left out
(Efron and Tibshirani 1993, chapter 11). Their mean is the metric, and their covariances between
networks and seeds are those that Obuchowski and Rockette's model takes for any figure of merit
(Hillis, Obuchowski, Schartz and Berbaum 2005, Statistics in Medicine 24:1579-1607).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.catalog.metrics import Metric, counts_of
from jobs.statistics.interval import Interval
from orchestrator.analysis.exchanges import CountedAnswers
from orchestrator.analysis.predictions import Answers, Predictions, TrialPredictions
from orchestrator.analysis.spreads import student, wilson

Values = np.ndarray[Any, Any]
"""Booleans or numbers, the last axis over images."""
CELLS_AT_ONCE = 2_000_000
"""Counts held at once while images are left out."""


def image_values(metric: Metric, answers: Answers) -> Values | None:
    """One value an answer, with the metric as their mean; booleans where it is right or wrong.

    None for a metric that cannot lead, without answers, or where one of them does not tell.
    """
    if not len(answers.labels):
        return None
    if metric.of_counts is not None:
        return _influence(metric.of_counts, answers)
    values: Values | None = metric.of_images(answers) if metric.of_images else None
    return values if values is not None and len(values) == len(answers.labels) else None


def _influence(of_counts: Callable[[Any, Any, Any], Any], answers: Answers) -> Values:
    """The metric plus the influence of each image; images of one cell of the matrix have one."""
    hits, there, answered = counts_of(answers)
    whole, images = float(of_counts(hits, there, answered)), len(answers.labels)
    flat = answers.labels.astype(np.int64) * answers.classes + answers.predicted
    cells, cell_of = np.unique(flat, return_inverse=True)
    left_out = np.empty(len(cells))
    step = max(1, CELLS_AT_ONCE // answers.classes)
    for start in range(0, len(cells), step):
        label, said = np.divmod(cells[start : start + step], answers.classes)
        rows = np.arange(len(label))
        parts = [np.repeat(counts[None], len(label), axis=0) for counts in (hits, there, answered)]
        parts[0][rows, label] -= label == said
        parts[1][rows, label] -= 1
        parts[2][rows, said] -= 1
        left_out[start : start + step] = of_counts(*parts)
    influence = ((images - 1) * (whole - left_out))[cell_of]
    return np.asarray(whole + influence - influence.mean())


def swing(metric: Metric, labels: Any, classes: int, values: list[Values]) -> float:
    """The square of what one image can change: 1 where it is right or wrong.

    Where classes count alike an image of a rare class changes more: the number of images over
    Kish's effective number. For numbers it is their variance.
    """
    if all(rows.dtype == np.bool_ for rows in values):
        return 1.0
    if metric.form == "share":
        return len(labels) / effective_images(labels, classes)
    return float(np.mean([rows.var(axis=-1).mean() for rows in values])) if values else 1.0


def effective_images(labels: Any, classes: int) -> float:
    """Images that tell as much where each class counts alike (Kish 1965, Survey Sampling)."""
    there = np.bincount(labels, minlength=classes)
    present = there[there > 0]
    return float(len(present) ** 2 / (1 / present).sum())


def image_interval(metric: Metric, values: Values, labels: Any, classes: int) -> Interval:
    """95% interval of a metric over other images, from values as (seeds, images).

    Wilson's for images that are right or wrong. For other shares Wilson's with the number of images
    that the variance shows (Korn and Graubard 1998, Survey Methodology 24:193-201), at most the
    effective number. For numbers Student's. More seeds do not narrow it.
    """
    images, mean = values.shape[1], float(values.mean(axis=1).mean())
    if values.dtype == np.bool_:
        return wilson(mean * images, images)
    of_images = values.mean(axis=0)
    variance = float(of_images.var(ddof=1)) / images if images > 1 else math.inf
    if metric.form == "share":
        effective = effective_images(labels, classes)
        if variance > 0 and 0 < mean < 1:
            effective = min(effective, max(mean * (1 - mean) / variance, 1.0))
        return wilson(mean * effective, effective)
    half = student(images - 1) * math.sqrt(variance) if images > 1 else math.inf
    return Interval(mean - half, mean + half)


def interval_over_images(metric: Metric, seeds: Sequence[Answers]) -> Interval | None:
    """The 95% interval over images of the mean over seeds; None unless all answered as many."""
    values = [rows for one in seeds if (rows := image_values(metric, one)) is not None]
    if not values or len(values) < len(seeds) or len({len(rows) for rows in values}) > 1:
        return None
    return image_interval(metric, np.stack(values), seeds[0].labels, seeds[0].classes)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkValues:
    """Values as (seeds, images) of each network, on the same images, and their `swing`.

    `counted` are the answers behind them where the metric is computed from counts by class.
    """

    networks: Mapping[str, Values]
    swing: float = 1.0
    counted: CountedAnswers | None = None


def values_of_networks(
    metric: Metric, predictions: Predictions, answered: Mapping[str, Sequence[TrialPredictions]]
) -> NetworkValues:
    """Values of the images that all networks answered; without networks that do not tell."""
    every = [one.predicted >= 0 for seeds in answered.values() for one in seeds]
    if not every:
        return NetworkValues({})
    common = np.flatnonzero(np.logical_and.reduce(every))
    return values_of_answers(
        metric,
        {
            name: [predictions.together([one], common) for one in seeds]
            for name, seeds in answered.items()
        },
    )


def values_of_answers(metric: Metric, answered: Mapping[str, Sequence[Answers]]) -> NetworkValues:
    """Values of each network by its answers of each seed, without networks that do not tell.

    All must have answered the same images.
    """
    networks = {}
    for name, seeds in answered.items():
        known = [rows for one in seeds if (rows := image_values(metric, one)) is not None]
        if len(known) == len(seeds):
            networks[name] = np.stack(known)
    if not networks:
        return NetworkValues({})
    one = answered[next(iter(networks))][0]
    counted = None
    if metric.of_counts is not None:
        said = {name: np.stack([each.predicted for each in answered[name]]) for name in networks}
        counted = CountedAnswers(metric.of_counts, one.classes, one.labels, said)
    swung = swing(metric, one.labels, one.classes, list(networks.values()))
    return NetworkValues(networks, swung, counted)
