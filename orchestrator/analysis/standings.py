"""Standings by backbone and period, from rows of the result tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from jobs.catalog.backbones import CATALOG
from jobs.catalog.metrics import DEFAULT, METRICS, Metric, chosen, validated
from jobs.early_stopping import stop_of
from jobs.spec.recipe import Recipe
from jobs.spec.setting import network_of
from jobs.statistics.interval import Interval
from jobs.store.runs import Run
from orchestrator.analysis import metrics
from orchestrator.analysis.epoch_row import MEASURES
from orchestrator.analysis.epoch_row import EpochRow as EpochRow
from orchestrator.analysis.image_values import interval_over_images
from orchestrator.analysis.predictions import Predictions
from orchestrator.analysis.spreads import Spread, spread, wilson

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """One evaluation: mean cross entropy, correct images, images, Wilson 95% interval."""

    loss: float
    correct: int
    total: int
    interval: Interval

    @property
    def accuracy(self) -> float:
        """Accuracy, 0..1."""
        return self.correct / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """One trial in one period: its evaluation (None if pending), and the seconds of its epochs.

    `feature_seconds` are those of the features that its first period began with. `epoch` is that of
    the tested network: the period's last, or earlier after early stopping. `metrics` are by name;
    those that need predictions are there once these are collected. `split` is what drew its split,
    where a run has several.
    """

    trial: str
    backbone: str
    seed: int
    period: int
    epoch: int
    tested: EvaluationResult | None
    epochs_seen: int
    seconds: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    split: int | None = None
    feature_seconds: float | None = None

    @property
    def whole_seconds(self) -> float | None:
        """The seconds of its epochs, and of the features before them."""
        return None if self.seconds is None else self.seconds + (self.feature_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """One backbone in one period over its seeds; `metrics` and `seconds` are spreads over them.

    `metric` leads; `interval` is its 95% interval over images, where predictions tell it. With
    several splits, spreads are over all of them, and `over_splits` is the interval.
    """

    backbone: str
    period: int
    epoch: int
    results: tuple[PeriodResult, ...]
    seconds: Spread | None
    metrics: Mapping[str, Spread] = field(default_factory=dict)
    metric: Metric = METRICS[DEFAULT]
    interval: Interval | None = None
    over_splits: Interval | None = None

    @property
    def lead(self) -> Spread | None:
        """The leading metric over seeds; None without results."""
        return self.metrics.get(self.metric.name)

    @property
    def lead_interval(self) -> Interval | None:
        """The 95% interval over images of the mean of the leading metric."""
        if self.over_splits is not None:
            return self.over_splits
        return self.image_interval if self.metric.name == "accuracy" else self.interval

    @property
    def accuracy(self) -> Spread | None:
        """Test accuracy over seeds; None without results."""
        return self.metrics.get("accuracy")

    @property
    def loss(self) -> Spread | None:
        """Test loss over seeds; None without results."""
        return self.metrics.get("loss")

    @property
    def whole_seconds(self) -> Spread | None:
        """The seconds of the period's epochs over seeds, features included."""
        return spread(one for each in self.results if (one := each.whole_seconds) is not None)

    @property
    def tests(self) -> tuple[EvaluationResult, ...]:
        """Evaluations of the tested seeds, in order."""
        return tuple(result.tested for result in self.results if result.tested)

    @property
    def image_interval(self) -> Interval | None:
        """Wilson's 95% interval of the mean accuracy on that many test images.

        It covers the choice of images only; more seeds do not narrow it.
        """
        if not self.tests:
            return None
        correct = math.fsum(test.correct for test in self.tests) / len(self.tests)
        return wilson(correct, max(test.total for test in self.tests))


@dataclass(frozen=True, slots=True)
class Comparison:
    """All standings of a run in catalog order, all epoch rows, early stops; `metric` leads."""

    backbones: tuple[str, ...]
    periods: int
    standings: tuple[Standing, ...]
    epochs: tuple[EpochRow, ...]
    stops: Mapping[str, int] = field(default_factory=dict)
    metric: Metric = METRICS[DEFAULT]

    def tested_at(self, trial: str, epoch: int) -> int:
        """The epoch of the tested network at the end of a period."""
        return min(epoch, self.stops.get(trial, epoch))

    def at(self, period: int) -> list[Standing]:
        """The standing of each backbone after that period."""
        return [standing for standing in self.standings if standing.period == period]


def compare(
    run: Run,
    whose: Mapping[str, tuple[str, int]],
    epochs: pa.Table,
    evaluations: pa.Table,
    metric: Metric | None = None,
    recipes: Mapping[str, Recipe] | None = None,
    feature_seconds: Mapping[str, float] | None = None,
) -> Comparison:
    """Standings from rows of `epochs` and `evaluations`; `whose` maps trials to backbone and seed.

    `metric` leads, by default the one that the run asks for. Periods are numbered as in the run.
    Rows of other trials, later epochs and corrupted images are ignored, and duplicates count once.
    `recipes` are those of the trials; without them, all have that of the run. `feature_seconds` are
    those of trials that trained on features.
    """
    lines = _epochs(run, whose, epochs)
    stops = _stops(lines, recipes or dict.fromkeys(whose, run.spec.recipe()))
    tests = _tests(run, whose, evaluations)
    leading = metric or chosen(run.spec.metric)
    order = in_order(dict.fromkeys(backbone for backbone, _ in whose.values()))
    standings = []
    for period, name in product(range(1, run.spec.periods + 1), order):
        last = run.epoch_of(period)
        begun = (feature_seconds or {}) if period == 1 else {}
        results = [
            replace(
                _result(trial, name, seed, period, min(last, stops.get(trial, last)), tests, lines),
                feature_seconds=begun.get(trial),
            )
            for trial, (backbone, seed) in sorted(whose.items(), key=lambda item: item[1][1])
            if backbone == name
        ]
        standings.append(_standing(name, period, last, results, leading))
    return Comparison(
        tuple(order), run.spec.periods, tuple(standings), tuple(lines), stops, leading
    )


def in_order(backbones: Iterable[str]) -> list[str]:
    """In order of the catalog, others by name; settings of a network stay in their order."""
    known = list(CATALOG)

    def place(label: str) -> tuple[int, str]:
        network = network_of(label)
        return (known.index(network), "") if network in CATALOG else (len(known), network)

    return sorted(backbones, key=place)


def _stops(lines: Sequence[EpochRow], recipes: Mapping[str, Recipe]) -> dict[str, int]:
    """Epochs at which early stopping ended trials, by trial."""
    rows: dict[str, list[dict[str, float | None]]] = {}
    for line in lines:
        rows.setdefault(line.trial, []).append({name: line.value(name) for name in validated()})
    stops = {trial: stop_of(of_trial, recipes[trial]) for trial, of_trial in rows.items()}
    return {trial: epoch for trial, epoch in stops.items() if epoch is not None}


def _epochs(run: Run, whose: Mapping[str, tuple[str, int]], table: pa.Table) -> list[EpochRow]:
    rows: dict[tuple[str, int], EpochRow] = {}
    for row in table.to_pylist():
        key = (row["trial"], row["epoch"])
        if row["trial"] in whose and 1 <= row["epoch"] <= run.spec.epochs and key not in rows:
            measures: dict[str, Any] = {name: _finite(row[name]) for name in MEASURES}
            more = {name: _finite(row.get(name)) for name in validated() if name not in MEASURES}
            rows[key] = EpochRow(
                row["trial"],
                *whose[row["trial"]],
                run.period_of(row["epoch"]),
                row["epoch"],
                **measures,
                more={name: value for name, value in more.items() if value is not None},
            )
    return [rows[key] for key in sorted(rows)]


def _tests(
    run: Run, whose: Mapping[str, tuple[str, int]], table: pa.Table
) -> dict[tuple[str, int], EvaluationResult]:
    tests: dict[tuple[str, int], EvaluationResult] = {}
    for row in table.to_pylist():
        plain = (row["corruption"] or "none") == "none" and not row["severity"]
        if plain and row["trial"] in whose and (row["trial"], row["epoch"]) not in tests:
            correct, total = row["correct"], row["total"]
            tests[row["trial"], row["epoch"]] = EvaluationResult(
                row["loss"], correct, total, wilson(correct, total)
            )
    return tests


def _result(
    trial: str,
    backbone: str,
    seed: int,
    period: int,
    epoch: int,
    tests: Mapping[tuple[str, int], EvaluationResult],
    lines: Sequence[EpochRow],
) -> PeriodResult:
    seen = [line for line in lines if line.trial == trial and line.period == period]
    seconds = math.fsum(line.seconds or 0.0 for line in seen) if seen else None
    test = tests.get((trial, epoch))
    known = metrics.of_evaluation(test)
    return PeriodResult(trial, backbone, seed, period, epoch, test, len(seen), seconds, known)


def _standing(
    backbone: str, period: int, epoch: int, results: Sequence[PeriodResult], metric: Metric
) -> Standing:
    seconds = spread(result.seconds for result in results if result.seconds is not None)
    of_metrics = spreads([result.metrics for result in results])
    return Standing(backbone, period, epoch, tuple(results), seconds, of_metrics, metric)


def with_predictions(comparison: Comparison, predictions: Predictions) -> Comparison:
    """The comparison with the metrics that need predictions, where these were collected."""
    told = tuple(_with_predictions(one, predictions) for one in comparison.standings)
    return replace(comparison, standings=told)


def _with_predictions(standing: Standing, predictions: Predictions) -> Standing:
    given = [
        predictions.of(result.trial, result.epoch) if result.tested else None
        for result in standing.results
    ]
    answers = [predictions.together([one]) if one else None for one in given]
    told = [metrics.of_answers(one) if one else {} for one in answers]
    results = tuple(
        replace(result, metrics={**result.metrics, **more})
        for result, more in zip(standing.results, told, strict=True)
    )
    of_metrics = {**standing.metrics, **spreads(told)}
    interval = interval_over_images(standing.metric, [one for one in answers if one])
    return replace(standing, results=results, metrics=of_metrics, interval=interval)


def spreads(told: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """The spread of each metric over these trials."""
    names = dict.fromkeys(name for of_trial in told for name in of_trial)
    known = {name: spread(one[name] for one in told if name in one) for name in names}
    return {name: metric_spread for name, metric_spread in known.items() if metric_spread}


def _finite(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None
